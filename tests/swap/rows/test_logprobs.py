"""Log-probabilities: those of a fresh PEFT load's logits, and computed only where somebody wants them."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from kits.adapters import logits
from kits.rows import RUNNERS, Bench, Listener, _reference_model, bench
from kits.waiting import until

from hotswapd.swap.rows import drawing
from hotswapd.swap.rows.ended import Ended
from hotswapd.swap.rows.tickets import Progress

PROMPT, TOKENS = (5, 6, 7), 24
LONG_PROMPT = tuple(range(30, 30 + 150))


@pytest.fixture(params=RUNNERS)
def one(request: pytest.FixtureRequest) -> Iterator[Bench]:
    with bench(runner=request.param, batch_tokens=64, max_requests=16) as made:
        made.swap(0)
        made.open(1)
        yield made


@pytest.fixture
def ends(one: Bench) -> list[Ended]:
    heard: list[Ended] = []
    one.rows.on_request_end = heard.append
    return heard


class Late(Listener):
    """Hears an answer, and has every token scored from its second on."""

    def __init__(self, one: Bench) -> None:
        super().__init__()
        self._engine = one.engine

    def __call__(self, progress: Progress) -> None:
        super().__call__(progress)
        self._engine.score(True)


def scores(index: int | None, text: tuple[int, ...]) -> torch.Tensor:
    """Compute what a fresh PEFT load says of each place of a text, (tokens, vocabulary) in nats."""
    return torch.log_softmax(logits(_reference_model(index), list(text)).double(), -1)


@pytest.mark.parametrize("how", [{}, {"temperature": 1.5, "top_p": 0.95, "top_k": 40, "seed": 3}])
def test_an_answers_mean_is_that_of_a_fresh_load(one: Bench, ends: list[Ended], how: dict[str, Any]) -> None:
    """Of two generations at once, greedy and drawn: what the model says, before temperature, top-k and top-p."""
    one.engine.score(True)
    asked = [one.ask(PROMPT, TOKENS, generation, **how) for generation in (1, 2, 1, 2)]
    for _, listener in asked:
        listener.wait()
    until(lambda: len(ends) == len(asked), "not all ends are told")
    for ended in ends:
        assert len(ended.token_ids) == TOKENS
        found = scores(ended.generation - 1, (*PROMPT, *ended.token_ids[:-1]))[len(PROMPT) - 1 :]
        mean = float(found[range(TOKENS), list(ended.token_ids)].mean())
        assert ended.logprob == pytest.approx(mean, abs=1e-4)


def test_each_token_has_its_own_and_the_likeliest(one: Bench) -> None:
    """As many as were asked for, the likeliest first; as many entries as tokens, in every message."""
    asked = [one.ask(PROMPT, TOKENS, 1 + count % 2, logprobs=count) for count in (0, 1, 5, 20)]
    for (ticket, listener), count in zip(asked, (0, 1, 5, 20), strict=True):
        last = listener.wait()
        assert len(last.logprobs) == len(last.token_ids) == TOKENS
        truth = scores(one.made[ticket.generation], (*PROMPT, *last.token_ids[:-1]))[len(PROMPT) - 1 :]
        for place, scored in enumerate(last.logprobs):
            assert scored.token == last.token_ids[place]
            assert scored.logprob == pytest.approx(float(truth[place, scored.token]), abs=1e-4)
            best = truth[place].topk(count).values.tolist()
            assert [score for _, score in scored.top] == pytest.approx(best, abs=1e-4)
            assert all(abs(float(truth[place, token]) - score) < 1e-4 for token, score in scored.top)


@pytest.mark.parametrize("tokens", [0, 4])
def test_a_prompt_is_scored_token_by_token(one: Bench, tokens: int) -> None:
    """None for its first token, also where it is read in pieces or its pages are in the cache; told once."""
    one.ask(LONG_PROMPT, 4, 2)[1].wait()
    ticket, listener = one.ask(LONG_PROMPT, tokens, 2, prompt_logprobs=3)
    last = listener.wait()
    assert (last.finish, len(last.token_ids)) == ("length", tokens)
    found = listener.prompt_logprobs
    assert (found[0], len(found)) == (None, len(LONG_PROMPT))
    truth = scores(1, LONG_PROMPT)
    for place, scored in enumerate(found[1:], start=1):
        assert scored.token == LONG_PROMPT[place]
        assert scored.logprob == pytest.approx(float(truth[place - 1, scored.token]), abs=1e-4)
        assert [score for _, score in scored.top] == pytest.approx(truth[place - 1].topk(3).values.tolist(), abs=1e-4)
    if tokens > 1:
        assert last.prompt_logprobs == ()
        assert last.token_ids == one.truth(ticket.generation, LONG_PROMPT, tokens)


def test_nothing_is_computed_while_nothing_is_compared(
    one: Bench, ends: list[Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before scoring is on, and after it is off again."""
    counted: list[int] = []
    compute = drawing.logprobs

    def count(rows: torch.Tensor, tokens: Any, top: int) -> Any:
        counted.append(len(tokens))
        return compute(rows, tokens, top)

    monkeypatch.setattr(drawing, "logprobs", count)
    one.ask(PROMPT, TOKENS)[1].wait()
    one.engine.score(True)
    one.engine.score(False)
    one.ask(PROMPT, TOKENS)[1].wait()
    until(lambda: len(ends) == 2, "not all ends are told")
    assert [ended.logprob for ended in ends] == [None, None]
    assert counted == []
    one.ask(PROMPT, 3, logprobs=0)[1].wait()
    assert counted == [1, 1, 1]


def test_an_answer_that_was_scored_in_part_only_has_no_mean(one: Bench, ends: list[Ended]) -> None:
    """A mean over its last tokens would be no mean of the answer."""
    hear = Late(one)
    one.ask(PROMPT, TOKENS, hear=hear)
    hear.wait()
    until(lambda: len(ends) == 1, "its end is not told")
    assert ends[0].logprob is None
    one.ask(PROMPT, TOKENS)[1].wait()
    until(lambda: len(ends) == 2, "its end is not told")
    assert ends[1].logprob is not None
