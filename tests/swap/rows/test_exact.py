"""Exactness under load: whatever shares the steps, each answer is that of a fresh PEFT load, token by token."""

import random
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch
from kits.adapters import logits
from kits.rows import LONG, RUNNERS, Bench, Held, Listener, _reference_model, bench
from kits.steps import Steps
from kits.waiting import until

from hotswapd.swap.rows.tickets import Ticket

SHARED = tuple(range(30, 30 + 200))
Asked = tuple[Ticket, Listener, tuple[int, ...], int]
CHI_SQUARE_19_AT_0_999 = 43.82  # upper 0.1 % point with 19 degrees of freedom; the seeds are fixed


def open_all(made: Bench) -> None:
    """Let the base be live, and three adapters be asked for by the numbers 1 to 3."""
    for index in range(3):
        made.open(index)


@pytest.fixture(params=RUNNERS)
def one(request: pytest.FixtureRequest) -> Iterator[Bench]:
    with bench(runner=request.param, max_requests=32) as made:
        open_all(made)
        yield made


def prompts(count: int, seed: int) -> list[tuple[int, ...]]:
    """Draw prompts of all lengths, of which many share a prefix."""
    draw = random.Random(seed)
    return [(*SHARED[: draw.choice((0, 3, 16, 33, 80, 200))], draw.randrange(250), 9) for _ in range(count)]


def ask_mixed(made: Bench, count: int, tokens: int = 16, seed: int = 1) -> list[Asked]:
    """Ask all generations in turn, in the same steps."""
    with made.resident.step():
        return [
            (*made.ask(prompt, tokens, number % 4), prompt, tokens)
            for number, prompt in enumerate(prompts(count, seed))
        ]


def assert_right(made: Bench, asked: Sequence[Asked]) -> None:
    for ticket, listener, prompt, tokens in asked:
        assert made.right(ticket, listener, prompt, tokens), (ticket.generation, len(prompt))


def test_many_requests_of_four_generations(one: Bench) -> None:
    """More than may be under way at once, with and without a prefix in common."""
    steps = Steps(one.loop)
    assert_right(one, ask_mixed(one, 48))
    assert {0, 1, 2, 3} in steps.mixes
    assert max(map(len, steps.taken)) > 8


@pytest.mark.parametrize("batch_tokens", [16, 24, 64])
@pytest.mark.parametrize("runner", ["rows", "fixed"])
def test_prompts_that_are_read_in_pieces(batch_tokens: int, runner: str) -> None:
    """Steps far smaller than a prompt, always full while prompts wait: tokens, and logits within 1e-4."""
    with bench(runner=runner, batch_tokens=batch_tokens, max_requests=8) as made:
        open_all(made)
        steps = Steps(made.loop)
        with made.resident.step():
            asked = [(*made.ask((*SHARED, n), 12, n % 4), (*SHARED, n), 12) for n in range(8)]
        assert_right(made, asked)
        assert max(sum(step.values()) for step in steps.taken) == batch_tokens
        assert any({0, 1, 2, 3} <= mix for mix in steps.mixes)
        for ticket, listener, prompt, _ in asked:
            model = _reference_model(made.made[ticket.generation])
            theirs = logits(model, [*prompt, *listener.last.token_ids[:-1]])[len(prompt) - 1 :]
            assert float((steps.logits(ticket) - theirs).abs().max()) < 1e-4


def test_a_batch_at_its_limit_of_requests() -> None:
    """As many answers under way as a step has tokens; more wait for their turn."""
    with bench(batch_tokens=16, max_requests=64) as made:
        open_all(made)
        steps = Steps(made.loop)
        assert_right(made, ask_mixed(made, 40, tokens=24))
        assert max(map(len, steps.taken)) == 16
        assert max(sum(step.values()) for step in steps.taken) == 16


@pytest.mark.parametrize("runner", ["rows", "fixed"])
def test_a_full_cache_loses_nothing(runner: str) -> None:
    """Requests are put back in the midst of their answers, and go on later."""
    with bench(runner=runner, cache_tokens=448, max_requests=16) as made:
        open_all(made)
        with made.resident.step():
            asked = [(*made.ask((7, n), 200, n % 4), (7, n), 200) for n in range(10)]
        assert_right(made, asked)
        assert made.loop.put_back > 0
        until(lambda: made.loop.held_pages == 0, "pages are held by nobody")


def test_clients_that_leave_a_full_cache_leave_a_loop_that_answers() -> None:
    """All of them leave at the moment at which one was put back."""
    with bench(cache_tokens=448, max_requests=16) as made:
        open_all(made)
        with made.resident.step():
            asked = [made.ask((7, n), 300, n % 4, ignore_eos=True) for n in range(8)]
        until(lambda: made.loop.put_back > 0, "the cache was never full")
        for ticket, _ in asked:
            made.rows.cancel(ticket)
        ticket, listener = made.ask((5, 6, 7), tokens=8)
        assert made.right(ticket, listener, (5, 6, 7), 8)
        until(lambda: made.loop.held_pages == 0, "pages are held by nobody")


def test_cancellations_disturb_nobody(one: Bench) -> None:
    """Every third request leaves, at once or later; the others' answers are whole."""
    stay: list[Asked] = []
    leave: list[Asked] = []
    with one.resident.step():
        for number, prompt in enumerate(prompts(30, seed=2)):
            held = Held(at=1 + number % 5) if number == 0 else Listener()
            asked = (*one.ask(prompt, 24, number % 4, hear=held), prompt, 24)
            (leave if number % 3 == 0 else stay).append(asked)
        one.rows.cancel(leave[-1][0])
    first = leave[0][1]
    assert isinstance(first, Held)
    assert first.begun.wait(LONG)
    for ticket, *_ in leave:
        one.rows.cancel(ticket)
    first.let_go.set()
    assert_right(one, stay)
    assert not leave[-1][1].ended.is_set()
    for ticket, listener, prompt, _ in leave:
        said = listener.last.token_ids
        assert said == one.truth(ticket.generation, prompt, 24)[: len(said)]


def test_sampled_requests_leave_greedy_ones_exact(one: Bench) -> None:
    """Penalties, biases, stop tokens and log-probabilities in the rows beside them too."""
    kinds: list[dict[str, Any]] = [
        {"temperature": 1.2, "seed": 1},
        {"temperature": 0.7, "top_p": 0.9, "top_k": 40, "seed": 2, "logprobs": 5},
        {"repetition_penalty": 1.3},
        {"logit_bias": ((3, 50.0),), "prompt_logprobs": 2},
        {"min_tokens": 5, "stop_token_ids": (9,), "ignore_eos": False},
    ]
    greedy: list[Asked] = []
    others = []
    with one.resident.step():
        for number, prompt in enumerate(prompts(20, seed=3)):
            others.append(one.ask(prompt, 12, number % 4, **kinds[number % len(kinds)]))
            greedy.append((*one.ask(prompt, 12, number % 4), prompt, 12))
    assert_right(one, greedy)
    assert all(listener.wait().finish in ("length", "stop") for _, listener in others)


def test_a_long_answer_outgrows_every_size_of_a_step(one: Bench) -> None:
    """To the last token of the context; PEFT's answers are compared as far as their first end of a text."""
    prompt, tokens = (5, 6, 7), one.engine.context - 3
    asked = [one.ask(prompt, tokens, number) for number in range(4)]
    for ticket, listener in asked:
        answer, truth = listener.wait().token_ids, one.truth(ticket.generation, prompt, tokens)
        assert len(answer) == tokens
        assert answer[: len(truth)] == truth
    assert max(len(one.truth(number, prompt, tokens)) for number in range(4)) == tokens


def test_answers_are_drawn_from_the_models_own_distribution(one: Bench) -> None:
    """First tokens of many seeds follow the softmax of PEFT's logits (chi-square over twenty groups of tokens)."""
    draws, prompt = 1000, (5, 6, 7)
    chances = torch.softmax(logits(_reference_model(0), list(prompt))[-1].double(), 0)
    groups = torch.empty(len(chances), dtype=torch.long)
    groups[chances.argsort(descending=True)] = torch.arange(len(chances)) % 20
    drawn = []
    for first in range(0, draws, 50):
        asked = [one.ask(prompt, 1, 1, temperature=1.0, seed=seed)[1] for seed in range(first, first + 50)]
        drawn += [heard.wait().token_ids[0] for heard in asked]
    expected = torch.zeros(20, dtype=torch.float64).scatter_add_(0, groups, chances) * draws
    counted = torch.bincount(groups[torch.tensor(drawn)], minlength=20).double()
    assert float(((counted - expected) ** 2 / expected).sum()) < CHI_SQUARE_19_AT_0_999
