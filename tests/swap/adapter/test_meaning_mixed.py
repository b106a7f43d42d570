"""Every accepted adapter in a batch with three others and the base: each answer is that of a fresh PEFT load."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from kits.adapters import greedy, logits, oracle_model
from kits.meaning import BESIDE, CLOSE, FEW, RUNS, TOKENS, Homes
from kits.residents import PROMPTS
from kits.rows import Bench, Listener
from kits.steps import Steps

from hotswapd.swap.rows.tickets import Ticket

CASES = [(kind, name, "rows") for kind, name in RUNS] + [
    (kind, name, runner) for runner in ("fixed", "plain") for kind in ("llama", "gpt2", "gemma3") for name in FEW
]


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Homes]:
    made = Homes(tmp_path_factory.mktemp("mixed"))
    yield made
    made.close()


@cache
def oracle(base: Path, adapter: Path | None) -> Any:
    return oracle_model(base, adapter)


def ask_all(made: Bench, generations: list[int]) -> list[tuple[Ticket, Listener, list[int]]]:
    """Ask each generation every prompt, all of them in the same steps."""
    with made.resident.step():
        asked = [
            (*made.ask(tuple(prompt), TOKENS, generation), prompt) for prompt in PROMPTS for generation in generations
        ]
    for _, listener, _ in asked:
        assert listener.wait().finish == "length"
    return asked


def assert_means(model: Any, steps: Steps, ticket: Ticket, listener: Listener, prompt: list[int]) -> None:
    """Hold an answer to PEFT's greedy tokens, and its logits to PEFT's for the same tokens."""
    said, wanted = list(listener.last.token_ids), greedy(model, prompt, TOKENS)
    assert said[: len(wanted)] == wanted, (ticket.generation, prompt)
    theirs = logits(model, [*prompt, *said[:-1]])[len(prompt) - 1 :]
    assert float((steps.logits(ticket) - theirs).abs().max()) < CLOSE, (ticket.generation, prompt)


@pytest.mark.parametrize(("kind", "name", "runner"), CASES)
def test_each_row_answers_as_a_fresh_load_does(homes: Homes, kind: str, name: str, runner: str) -> None:
    """Logits within 1e-4 and the same greedy tokens: of the adapter, of three others and of the base, in one batch."""
    made, base, adapter = homes.bench(kind, runner=runner), homes.base(kind), homes.adapter(kind, name)
    assert bool(made.engine.plain) == (runner == "plain")
    image = made.resident.stage(made.resident.admit(adapter), f"{name} of {kind}")
    made.resident.verify(image)
    made.rows.open(image, 4)
    steps = Steps(made.loop)
    try:
        asked = ask_all(made, [0, 1, 2, 3, 4])
        alone = made.ask(tuple(PROMPTS[0]), TOKENS, 4, cache_salt="alone")
        alone[1].wait()
    finally:
        made.rows.close(4)
        image.generation = None  # not to be gone back to: the next case has this number
        made.resident.drop(image)
    assert {0, 1, 2, 3, 4} in steps.mixes
    beside = [homes.adapter(kind, one, seed=90 + number) for number, one in enumerate(BESIDE, start=1)]
    models = [oracle(base, one) for one in (None, *beside)] + [oracle_model(base, adapter)]
    for ticket, listener, prompt in (*asked, (*alone, PROMPTS[0])):
        assert_means(models[ticket.generation], steps, ticket, listener, prompt)
    assert steps.mixes[-1] == {4}
    assert float((logits(models[4], PROMPTS[0]) - logits(models[0], PROMPTS[0])).abs().max()) > 100 * CLOSE
