"""What was found out about the loop that steps a lane: each trap stays closed."""

import threading
from collections.abc import Iterator

import pytest
import torch
from kits.adapters import logits
from kits.rows import LONG, SHORT_ASK, Bench, _reference_model, bench, home
from kits.waiting import until

from hotswapd.swap.errors import BaseUnusable
from hotswapd.swap.rows.asks import Ask, BadAsk
from hotswapd.swap.rows.lanes import NoGeneration
from hotswapd.swap.resident.base import ResidentSpec
from hotswapd.swap.resident.resident import Resident

CHI_SQUARE_19_AT_0_999 = 43.82  # upper 0.1 % point with 19 degrees of freedom; the seeds are fixed


@pytest.fixture
def one() -> Iterator[Bench]:
    with bench() as made:
        made.swap(0)
        yield made


def test_a_lane_that_ends_leaves_the_others_attention_alone(one: Bench) -> None:
    """The loop's own stop would set the model's attention back, under the feet of the other lanes."""
    before = one.resident.model.config._attn_implementation
    idle = next(seat for seat in one.lanes._seats if seat is not one.lanes._current)
    idle.lane.end()
    idle.lane.join(LONG)
    assert one.resident.model.config._attn_implementation == before
    assert one.right(*one.ask(SHORT_ASK), SHORT_ASK)


def test_a_cache_smaller_than_the_context_bounds_what_is_let_in() -> None:
    """A request that would never fit into its lane is refused; the longest that fits is answered."""
    with bench(cache_tokens=192) as made:
        assert made.engine.context < 448
        with pytest.raises(BadAsk) as caught:
            made.engine.complete(Ask((1,) * made.engine.context, 1))
        assert caught.value.code == "context_length_exceeded"
        assert len(made.complete((1,) * (made.engine.context - 4), tokens=4).token_ids) == 4


def test_nan_logits_kill_no_sampling_lane(one: Bench) -> None:
    """A sampled request of a generation that gives NaN ends, and later ones in its lane are right."""
    poisoned = one.lanes._current
    with one.resident.turn(one.resident.live):
        one.resident.live.buffer.view(torch.float32)[:64] = float("nan")
        one.resident.arena.buffer.copy_(one.resident.live.buffer)
    assert one.ask(SHORT_ASK, tokens=12, temperature=1.0, top_p=0.9, seed=1)[1].wait().finish == "length"
    assert one.lanes.death() is None
    one.swap(1)
    one.swap(2)
    assert one.lanes._current is poisoned
    assert one.right(*one.ask(SHORT_ASK), SHORT_ASK)


def test_a_lane_draws_from_the_models_own_distribution(one: Bench) -> None:
    """First tokens of many seeds follow the softmax of PEFT's logits (chi-square over twenty groups of tokens)."""
    draws = 1500
    chances = torch.softmax(logits(_reference_model(0), list(SHORT_ASK))[-1].double(), 0)
    groups = torch.empty(len(chances), dtype=torch.long)
    order = chances.argsort(descending=True)
    groups[order] = torch.arange(len(chances)) % 20
    drawn = []
    for first in range(0, draws, 50):
        asked = [one.ask(SHORT_ASK, tokens=1, temperature=1.0, seed=seed)[1] for seed in range(first, first + 50)]
        drawn += [heard.wait().token_ids[0] for heard in asked]
    expected = torch.zeros(20, dtype=torch.float64).scatter_add_(0, groups, chances) * draws
    counted = torch.bincount(groups[torch.tensor(drawn)], minlength=20).double()
    assert float(((counted - expected) ** 2 / expected).sum()) < CHI_SQUARE_19_AT_0_999


def test_a_generation_that_was_withdrawn_takes_no_new_requests(one: Bench) -> None:
    """What it has goes on; it cannot be asked for, and is not listed."""
    ticket, long = one.ask(SHORT_ASK, tokens=300)
    assert long.begun.wait(LONG)
    one.swap(1)
    one.lanes.withdraw(1)
    with pytest.raises(NoGeneration) as caught:
        one.ask(SHORT_ASK, generation=1)
    assert caught.value.available == (2,)
    assert one.right(ticket, long, SHORT_ASK, 300)


def test_shutdown_lets_answers_end(one: Bench) -> None:
    """Within its bound an answer under way is whole."""
    ticket, heard = one.ask(SHORT_ASK, tokens=100)
    one.engine.close(seconds=LONG)
    assert heard.ended.is_set()
    assert one.right(ticket, heard, SHORT_ASK, 100)


def test_shutdown_is_bounded_and_the_rest_hears_why(one: Bench) -> None:
    """An answer that would take longer hears an error, no thread is left, and nothing new is taken."""
    with one.resident.turn(one.resident.live):  # nothing can be computed, so no answer can end
        _, heard = one.ask(SHORT_ASK, tokens=400)
        closing = threading.Thread(target=one.engine.close, args=(0.2,))
        closing.start()
        until(lambda: one.lanes._current is None, "the lanes do not close")
        with pytest.raises(NoGeneration):
            one.ask(SHORT_ASK)
        until(lambda: not any(seat.lane.alive for seat in one.lanes._seats), "the lanes are not told to end")
    closing.join(LONG)
    assert heard.wait().finish == "error"
    assert not any(seat.lane._loop.is_running() for seat in one.lanes._seats)


def test_an_attention_that_cannot_verify_does_not_start() -> None:
    """The loop turns eager attention into a form that only it can run, so every adapter would fail its probe."""
    with pytest.raises(BaseUnusable, match=r"attn_implementation.*sdpa"):
        Resident.open(ResidentSpec(str(home() / "base"), max_rank=16, images=4, attn_implementation="eager"))
