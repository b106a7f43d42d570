"""The turns of a gate: short, paced while requests run, and over when the candidate's time is."""

import itertools
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from kits.clock import Clock
from kits.rows import Bench, adapter, bench

from hotswapd.swap.berths.image import Image
from hotswapd.swap.errors import RolledBack
from hotswapd.swap.gates.spec import Dataset, Example, Limits, Progress, Spec, Verdict
from hotswapd.swap.gates.turns import GateTurns, Interrupted, Surroundings
from hotswapd.swap.gates.verifier import Verifier

IMAGE = Image(torch.empty(0), digest="0" * 64)


class WorkClock(Clock):
    """A time that only passes when work is done or waited for."""

    def work(self, seconds: float, _: object) -> None:
        """Stand for what a gate does in a turn."""
        self.advance(seconds)


class Still:
    """A resident whose turns cost nothing, to look at the pacing alone; `leave` is called when a turn ends."""

    model = SimpleNamespace()

    def __init__(self, leave: Callable[[], None] = lambda: None) -> None:
        self._leave = leave

    @contextmanager
    def visit(self, image: Image) -> Iterator[None]:
        yield
        self._leave()


def turns(clock: Clock, *, busy: bool = True, **limits: Any) -> GateTurns:
    around = Surroundings(busy=lambda: busy, rest=clock.advance, clock=clock)
    return GateTurns(Still(), Limits(**limits), around)


def test_a_gate_keeps_to_its_share_while_requests_run() -> None:
    """After each turn it rests so long that it held the model for no more than max_share of all the time."""
    clock = WorkClock(0.0)
    gate = turns(clock, max_share=0.15)
    gate.be_long()
    for seconds in (0.1, 0.02, 0.3):
        gate.run(IMAGE, partial(clock.work, seconds))
        assert gate.held / clock.now == pytest.approx(0.15)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("share", [0.05, 0.1, 0.3])
def test_a_gate_keeps_to_its_share_in_every_window(seed: int, share: float) -> None:
    """From one turn's begin to any later one's, whatever each took, and with passing the model on counted too."""
    chance, clock = random.Random(seed), WorkClock(0.0)
    held: list[tuple[float, float]] = []
    gate = GateTurns(
        Still(lambda: clock.advance(0.003)),
        Limits(max_share=share, timeout=1e9),
        Surroundings(busy=lambda: True, rest=clock.advance, clock=clock),
    )
    gate.be_long()
    for _ in range(160):  # 20,000 tokens in turns of 128
        began, seconds = clock.now, chance.lognormvariate(-3.0, 1.0)
        gate.run(IMAGE, partial(clock.work, seconds))
        held.append((began, seconds + 0.003))
    held.append((clock.now, 0.0))
    for first, last in itertools.combinations(range(len(held)), 2):
        window = held[last][0] - held[first][0]
        assert sum(seconds for _, seconds in held[first:last]) <= share * window * (1 + 1e-9)


def test_a_request_that_comes_during_a_turn_is_rested_for() -> None:
    """Whether somebody waits is looked at when the turn ends, not when it begins."""
    clock = WorkClock(0.0)
    waiting: list[int] = []

    def work(_: object) -> None:
        clock.advance(0.1)
        waiting.append(1)

    gate = GateTurns(Still(), Limits(max_share=0.1), Surroundings(lambda: bool(waiting), clock.advance, clock=clock))
    gate.be_long()
    gate.run(IMAGE, lambda model: clock.advance(0.1))
    assert gate.rested == 0
    gate.run(IMAGE, work)
    assert gate.rested == pytest.approx(0.9)


def test_a_short_gate_takes_every_second_step() -> None:
    """Half of the time is the requests': a candidate's few built-in texts should not take a minute."""
    clock = WorkClock(0.0)
    gate = turns(clock, max_share=0.15)
    gate.run(IMAGE, lambda model: clock.advance(0.1))
    assert clock.now == pytest.approx(0.2)


def test_alone_it_does_not_rest() -> None:
    """Without requests it takes one turn after another."""
    clock = WorkClock(0.0)
    gate = turns(clock, busy=False)
    for _ in range(5):
        gate.run(IMAGE, lambda model: clock.advance(0.1))
    assert clock.now == pytest.approx(gate.held) == pytest.approx(0.5)


def test_a_candidate_out_of_time_is_refused_with_its_progress() -> None:
    """The next turn after the limit is not taken; the sentence has the gate, the tokens and the key to change."""
    clock = WorkClock(0.0)
    gate = turns(clock, timeout=1.0)
    gate.at(Progress("dataset", 300, 20_000))
    gate.run(IMAGE, lambda model: clock.advance(0.6))
    with pytest.raises(RolledBack, match=r"verify\.timeout = 1 s; gate dataset had done 300 of 20000 tokens") as caught:
        gate.run(IMAGE, lambda model: pytest.fail("its time is up"))
    assert caught.value.code == "verify_timeout"


@pytest.fixture(scope="module")
def made() -> Iterator[Bench]:
    with bench() as bench_:
        yield bench_


def _spec(texts: int, **limits: Any) -> Spec:
    examples = tuple(Example(tuple((7 * i + k) % 200 for i in range(100))) for k in range(texts))
    return Spec(Limits(max_update_ratio=0, max_loss=0, **limits), dataset=Dataset(examples, 1e9))


def _candidate(made: Bench) -> Image:
    return made.resident.stage(made.resident.admit(adapter(1)), "1" * 64)


def test_no_turn_is_too_long_and_progress_is_told(made: Bench) -> None:
    """A gate of 2,000 tokens and its comparison take turns of at most turn_tokens, and end where they said."""
    told: list[Progress] = []
    sizes: list[int] = []
    model, image = made.resident.model, _candidate(made)
    hook = model.register_forward_pre_hook(lambda *given: sizes.append(given[2]["input_ids"].numel()), with_kwargs=True)
    try:
        around = Surroundings(on_progress=told.append)
        Verifier(made.resident, _spec(20, turn_tokens=256), around, context=448, ends=()).run(image, lambda _: None)
    finally:
        hook.remove()
        made.resident.drop(image)
    assert max(sizes) <= 256
    last = [one for one in told if one.gate == "dataset"][-1]
    assert last.done == last.total == 4000  # the base, which is live too, and the candidate


def test_requests_go_on_while_a_gate_runs(made: Bench) -> None:
    """With a busy loop the gate holds the model for its share at most, and answers stay exact."""
    image = _candidate(made)
    waits: list[float] = []
    verdicts: list[Verdict] = []
    prompt = (5, 6, 7)
    undisturbed = made.ask(prompt, 120)[1].wait().token_ids
    pairs = [made.ask(prompt, 120) for _ in range(2)]
    still = threading.Event()

    def rest(seconds: float) -> None:
        waits.append(seconds)
        still.wait(seconds)

    around = Surroundings(busy=lambda: not pairs[0][1].ended.is_set(), rest=rest)
    try:
        Verifier(made.resident, _spec(20, max_share=0.15), around, context=448, ends=()).run(image, verdicts.append)
    finally:
        made.resident.drop(image)
    assert all(listener.wait().token_ids == undisturbed for _, listener in pairs)
    assert waits, "the loop was never busy while the gate ran"
    assert verdicts[-1].gate == "dataset"


def test_an_interrupted_gate_leaves_the_candidate_as_it_was(made: Bench) -> None:
    """Told to stop between two turns it raises at once, gives no verdict on what it was at, and nothing has changed."""
    image = _candidate(made)
    verdicts: list[Verdict] = []
    calls: list[int] = []
    before = image.buffer.clone()

    def between() -> None:
        calls.append(1)
        if len(calls) > 4:
            raise Interrupted("paused", "the queue is paused")

    verifier = Verifier(made.resident, _spec(20), Surroundings(between=between), context=448, ends=())
    try:
        with pytest.raises(Interrupted):
            verifier.run(image, verdicts.append)
        assert torch.equal(image.buffer, before)
    finally:
        made.resident.drop(image)
    assert all(isinstance(one, Verdict) and one.gate != "dataset" for one in verdicts)
