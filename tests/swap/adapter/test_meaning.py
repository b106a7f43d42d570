"""What an accepted adapter means: the logits and the greedy tokens of a fresh PEFT load, on seven architectures."""

from collections.abc import Iterator

import pytest
import torch
from kits.adapters import greedy, oracle_model
from kits.meaning import CLOSE, RUNS, TOKENS, Homes
from kits.models import KINDS, MORE_KINDS
from kits.residents import PROMPTS, answer, largest_difference, reference, same_bits, staged


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Homes]:
    made = Homes(tmp_path_factory.mktemp("meaning"))
    yield made
    made.close()


@pytest.mark.parametrize(("kind", "name"), RUNS)
def test_answers_as_a_fresh_load_does(homes: Homes, kind: str, name: str) -> None:
    """Logits within 1e-4 and the same greedy tokens, whatever adapter was there before."""
    resident, adapter = homes.resident(kind), homes.adapter(kind, name)
    fresh = oracle_model(homes.base(kind), adapter)
    with staged(resident, adapter) as image:
        ours = answer(resident, image)
        with resident.visit(image):
            tokens = [greedy(resident.model, prompt, TOKENS) for prompt in PROMPTS]
    assert largest_difference(ours, reference(homes.base(kind), adapter)) < CLOSE
    assert largest_difference(ours, answer(resident)) > 100 * CLOSE
    assert tokens == [greedy(fresh, prompt, TOKENS) for prompt in PROMPTS]


@pytest.mark.parametrize("kind", [*KINDS, *MORE_KINDS])
def test_the_base_answers_as_without_slots(homes: Homes, kind: str) -> None:
    """Slots that are zero add nothing, to the last bit."""
    resident = homes.resident(kind)
    assert same_bits(answer(resident), reference(homes.base(kind), None))


ROUNDING = {"bfloat16": 2.0**-8, "float16": 2.0**-11}


@pytest.mark.parametrize("dtype", ROUNDING)
@pytest.mark.parametrize("name", ["plain", "everything", "all of it by name", "the highest rank", "from float16"])
@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_half_precision_is_within_its_rounding(homes: Homes, kind: str, name: str, dtype: str) -> None:
    """Within four roundings of the largest logit of a load with the same cast, and no step prefers another token."""
    resident, adapter = homes.resident(kind, dtype), homes.adapter(kind, name)
    with staged(resident, adapter) as image:
        ours = answer(resident, image)
    theirs = reference(homes.base(kind), adapter, getattr(torch, dtype))
    for one, other in zip(ours, theirs, strict=True):
        tolerance = 4 * ROUNDING[dtype] * float(other.abs().max())
        assert float((one - other).abs().max()) <= tolerance
        chosen = other.gather(-1, one.argmax(-1, keepdim=True)).squeeze(-1)
        assert bool((other.amax(-1) - chosen <= tolerance).all())


def test_adapters_in_half_precision_are_told_apart(homes: Homes) -> None:
    """The tolerance above is far smaller than what any of the adapters changes."""
    resident = homes.resident("llama", "bfloat16")
    for name in ("plain", "everything"):
        with staged(resident, homes.adapter("llama", name)) as image:
            ours, base = answer(resident, image), answer(resident)
        assert largest_difference(ours, base) > 40 * ROUNDING["bfloat16"] * max(float(one.abs().max()) for one in base)
