"""Half precision in a mixed batch: no further from PEFT's logits than PEFT's own are between two shapes of a batch."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from kits.adapters import logits, oracle_model
from kits.meaning import TOKENS, Homes
from kits.residents import PROMPTS
from kits.steps import Steps
from transformers import DynamicCache

NAMES = ("plain", "everything", "all of it by name", "the highest rank", "from float16")


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Homes]:
    made = Homes(tmp_path_factory.mktemp("half"))
    yield made
    made.close()


def written(model: Any, prompt: list[int], answer: tuple[int, ...], rows: int, padding: int = 0) -> torch.Tensor:
    """Compute the logits of each token of an answer that so many rows of a batch write at once, behind some padding."""
    cache = DynamicCache(config=model.config)
    found = []
    mask = torch.zeros((rows, padding), dtype=torch.int64)
    with torch.inference_mode():
        for tokens in ([0] * padding + prompt, *([token] for token in answer[:-1])):
            mask = torch.cat([mask, torch.ones((rows, len(tokens) - (0 if found else padding)), dtype=mask.dtype)], -1)
            places = (mask.cumsum(-1) - 1).clamp_min(0)[:, -len(tokens) :]
            given = {"attention_mask": mask, "position_ids": places} if padding else {}
            ids = torch.tensor([tokens] * rows)
            found.append(model(input_ids=ids, past_key_values=cache, use_cache=True, **given).logits[0, -1].float())
    return torch.stack(found)


def apart(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one - other).abs().max())


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_rows_differ_from_peft_as_peft_does_from_itself(homes: Homes, kind: str, name: str, dtype: str) -> None:
    """The same requests alone, in one pass, in fours and token by token show how far a shape moves PEFT's logits."""
    made, adapter = homes.bench(kind, dtype), homes.adapter(kind, name)
    image = made.resident.stage(made.resident.admit(adapter))
    made.rows.open(image, 4)
    steps = Steps(made.loop)
    with made.resident.step():
        asked = [(*made.ask(tuple(prompt), TOKENS, number), prompt) for prompt in PROMPTS for number in range(5)]
    for _, listener, _ in asked:
        listener.wait()
    made.rows.close(4)
    image.generation = None
    made.resident.drop(image)
    assert {0, 1, 2, 3, 4} in steps.mixes
    model = oracle_model(homes.base(kind), adapter, getattr(torch, dtype))
    ours, theirs = 0.0, 0.0
    for ticket, listener, prompt in asked[4::5]:
        answer = listener.last.token_ids
        whole = logits(model, [*prompt, *answer[:-1]])[len(prompt) - 1 :]
        shapes = [whole, *(written(model, prompt, answer, *shape) for shape in ((1, 0), (4, 0), (4, 9), (16, 120)))]
        theirs = max(theirs, *(apart(one, other) for one in shapes for other in shapes))
        ours = max(ours, apart(steps.logits(ticket), whole))
    assert ours <= theirs
    assert theirs < 0.05  # far less than what any of the adapters changes
