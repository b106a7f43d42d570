"""The log-probability of answers: that of a fresh PEFT load's logits, and only while somebody compares."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from kits.adapters import logits, oracle_model
from kits.rows import Bench, Listener, adapter, bench, home
from kits.waiting import until

from hotswapd.swap.rows.sampling import logprobs
from hotswapd.swap.rows.tickets import Ended, Progress

PROMPT, TOKENS = (5, 6, 7), 24


@pytest.fixture
def one() -> Iterator[Bench]:
    with bench() as made:
        made.swap(0)
        yield made


class Late(Listener):
    """Hears an answer, and has its lane score from the second token on."""

    def __init__(self, one: Bench) -> None:
        super().__init__()
        self._lanes = one.lanes

    def __call__(self, progress: Progress) -> None:
        super().__call__(progress)
        self._lanes._score(True)


@pytest.fixture
def ends(one: Bench) -> list[Ended]:
    heard: list[Ended] = []
    one.lanes.on_request_end = heard.append
    return heard


def beside(one: Bench) -> None:
    image = one.resident.stage(one.resident.admit(adapter(1)))
    image.generation, one.made[2] = 2, 1
    one.lanes.go_beside(image)


def reference(index: int, answer: tuple[int, ...]) -> float:
    """Compute the mean log-probability of an answer's tokens from a fresh PEFT load's logits, in nats."""
    model = oracle_model(home() / "base", adapter(index))
    rows = logits(model, [*PROMPT, *answer[:-1]])[len(PROMPT) - 1 :]
    return float(torch.log_softmax(rows.double(), -1)[range(len(answer)), list(answer)].mean())


@pytest.mark.parametrize("how", [{}, {"temperature": 1.5, "top_p": 0.95, "top_k": 40, "seed": 3}])
def test_an_answers_log_probability_is_that_of_a_fresh_load(one: Bench, ends: list[Ended], how: dict[str, Any]) -> None:
    """In both lanes at once, greedy and drawn: what the model says, before temperature, top-k and top-p."""
    beside(one)
    asked = [one.ask(PROMPT, TOKENS, generation, **how) for generation in (1, 2, 1, 2)]
    for _, listener in asked:
        listener.wait()
    until(lambda: len(ends) == len(asked), "not all ends are told")
    for ended in ends:
        assert len(ended.token_ids) == TOKENS
        assert ended.logprob == pytest.approx(reference(ended.generation - 1, ended.token_ids), abs=1e-4)


def test_nothing_is_computed_while_nothing_is_compared(
    one: Bench, ends: list[Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before a generation is beside the live one, and after it has left."""
    counted: list[int] = []

    def count(scores: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        counted.append(len(tokens))
        return logprobs(scores, tokens)

    monkeypatch.setattr("hotswapd.swap.rows.sampling.logprobs", count)
    one.ask(PROMPT, TOKENS)[1].wait()
    beside(one)
    one.lanes.leave_beside()
    one.ask(PROMPT, TOKENS)[1].wait()
    until(lambda: len(ends) == 2, "not all ends are told")
    assert [ended.logprob for ended in ends] == [None, None]
    assert counted == []


def test_an_answer_that_was_scored_in_part_only_has_none(one: Bench, ends: list[Ended]) -> None:
    """A mean over its last tokens would be no mean of the answer."""
    hear = Late(one)
    one.ask(PROMPT, TOKENS, hear=hear)
    hear.wait()
    until(lambda: len(ends) == 1, "its end is not told")
    assert ends[0].logprob is None
    one.ask(PROMPT, TOKENS)[1].wait()
    until(lambda: len(ends) == 2, "its end is not told")
    assert ends[1].logprob is not None
