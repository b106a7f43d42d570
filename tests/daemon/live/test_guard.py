"""Going back by itself: what requests show brings the last good generation back, by a change of route alone."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from kits.candidates import Daemon
from kits.generations import Generations
from kits.rows import LONG, Bench, Held, adapter, bench

from hotswapd.daemon.config.verify import Watch
from hotswapd.daemon.engines.protocol import Answer, Part
from hotswapd.daemon.ledger.ledger import LedgerDown
from hotswapd.daemon.ledger.rows import Find, Row
from hotswapd.daemon.ledger.states import State
from hotswapd.daemon.live.guard import Guard
from hotswapd.daemon.live.watch import LiveWatch
from hotswapd.loaders.codes import WaitingCode
from hotswapd.loaders.errors import Unavailable
from hotswapd.swap.rows.ended import Ended

PROMPT = (5, 6, 7)
DEGENERATE = (9,) * 40


class Watched(Daemon):
    """A daemon's pipeline with a guard, whose watch counts the bench's requests."""

    def __init__(self, made: Bench, directory: Path) -> None:
        super().__init__(made, directory)
        self.watch = LiveWatch(Watch(seconds=1e9, min_requests=4))
        self.guard = Guard(self.watch, self.ledger, self.going, self.rollback)
        self.on_live = lambda live: self.watch.began(live.number, live.since)
        made.rows.on_request_end = self.watch.ended

    def misbehave(self, requests: int = 5) -> None:
        """End requests of so many clients badly; the base would not."""
        self.watch._shadow._ask = Generations({self.live.number}, {0, self.live.number})
        for at in range(requests):
            client = f" 192.0.2.{at}"
            self.watch.ended(Ended(self.live.number, DEGENERATE, "length", False, 1.0, prompt=PROMPT, client=client))


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Watched]:
    with bench() as made:
        yield Watched(made, tmp_path)


def test_a_bad_generation_gives_way_by_a_change_of_route(daemon: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """No berth is written, requests in flight end with the bad one named, and the row says why with numbers."""
    resident = daemon.bench.resident
    daemon.offer(adapter(0), 0)
    good = daemon.bench.live
    bad = daemon.offer(adapter(1), 1)
    held = Held()
    ticket, listener = daemon.bench.ask(PROMPT, 60, hear=held)
    assert held.begun.wait(LONG)
    before = resident.berths.memory.clone()
    daemon.misbehave()
    for name in ("stage", "verify", "step"):
        monkeypatch.setattr(resident, name, lambda *_: pytest.fail("the model, or a berth, was needed for it"))
    daemon.guard.poll()
    monkeypatch.undo()
    assert (daemon.live.number, daemon.bench.live) == (1, good)
    assert torch.equal(resident.berths.memory, before)
    held.let_go.set()
    assert listener.wait().finish == "length"
    assert ticket.generation == 2
    assert daemon.bench.right(ticket, listener, PROMPT, 60)
    again, answer = daemon.bench.ask(PROMPT, 8)
    assert again.generation == 1
    assert daemon.bench.right(again, answer, PROMPT, 8)
    row = daemon.ledger.rows.get(bad.swap_id)
    assert (row.state, row.reason) == (State.ROLLED_BACK, "watch_degenerate")
    assert row.verify[-1]["numbers"] == {"requests": 5, "non_finite": 0, "degenerate": 1, "errors": 0}
    assert not daemon.ledger.flags.pinned()


def _offer(daemon: Watched, index: int, *, forced: bool) -> Row:
    find = Find("test", f"file:///other/{index}/{forced}", "r", 0.0, forced=forced)
    row = daemon.ledger.fetched(daemon.ledger.add([find])[0], daemon._copy(adapter(index)), 0.0)
    return daemon.run(row)


def test_the_same_bytes_need_again(daemon: Watched) -> None:
    """Under another name they are refused with the same reason; forced they go live, and are free from then on."""
    daemon.offer(adapter(0), 0)
    daemon.offer(adapter(1), 1)
    daemon.misbehave()
    daemon.guard.poll()
    refused = _offer(daemon, 1, forced=False)
    assert (refused.state, refused.reason) == (State.ROLLED_BACK, "watch_degenerate")
    assert "submit --again" in refused.detail
    assert daemon.live.number == 1
    assert _offer(daemon, 1, forced=True).state == State.LIVE
    assert _offer(daemon, 0, forced=False).state == State.LIVE
    assert _offer(daemon, 1, forced=False).state == State.LIVE


def test_what_was_rolled_back_from_is_not_gone_back_to(daemon: Watched) -> None:
    """With the second and the third bad the first comes back, and with that one bad too the base."""
    for index in (0, 1, 2):
        daemon.offer(adapter(index), index)
        if index:
            daemon.misbehave()
            daemon.guard.poll()
            assert daemon.live.number == 1
    daemon.misbehave()
    daemon.guard.poll()
    assert daemon.live.number == 0
    daemon.guard.poll()


def test_a_pinned_generation_stays_and_the_log_says_what_is_wrong(daemon: Watched) -> None:
    """The operator's word counts: nothing moves, once."""
    daemon.offer(adapter(0), 0)
    daemon.offer(adapter(1), 1)
    daemon.ledger.flags.set("pinned", value=True)
    daemon.misbehave()
    daemon.guard.poll()
    assert (daemon.live.number, daemon.guard.waits) == (2, False)


def test_a_rollback_without_a_berth_is_done_once_there_is_one(tmp_path: Path) -> None:
    """What it goes back to is not on the device any more, and each berth is held: it waits, and is not forgotten."""
    with bench(berths=2) as made:
        daemon = Watched(made, tmp_path)
        daemon.offer(adapter(0), 0)
        daemon.offer(adapter(1), 1)
        _, busy = made.ask(PROMPT, 60, hear=Held())  # what is live keeps its berth while it answers
        assert busy.begun.wait(30)
        with beside(made):  # takes the berth of generation 1
            daemon.misbehave()
            daemon.guard.poll()
            assert (daemon.live.number, daemon.guard.waits) == (2, True)
        daemon.guard.poll()
        assert (daemon.live.number, daemon.guard.waits) == (1, False)
        assert isinstance(busy, Held)
        busy.let_go.set()


@contextmanager
def beside(made: Bench) -> Iterator[None]:
    """Hold a berth for another adapter."""
    image = made.stage(2)
    try:
        yield
    finally:
        made.resident.drop(image)


@contextmanager
def locked(daemon: Watched, how: str) -> Iterator[None]:
    """Lock the ledger as another program does: against writers, or against readers too."""
    other = sqlite3.connect(daemon.ledger.path, isolation_level=None)
    other.execute(f"BEGIN {how}")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


@pytest.mark.timeout(60)
@pytest.mark.parametrize("how", ["IMMEDIATE", "EXCLUSIVE"])
def test_a_verdict_does_not_wait_for_the_ledger(daemon: Watched, how: str) -> None:
    """The older generation answers first; verdict and rollback are written once that is possible, and only once."""
    daemon.offer(adapter(0), 0)
    bad = daemon.offer(adapter(1), 1)
    daemon.misbehave()
    with locked(daemon, how):
        with pytest.raises(LedgerDown):
            daemon.guard.poll()
        assert daemon.live.number == 1
        assert (daemon.store.pointer() or {})["generation"] == 1, "a restart would serve the bad one"
        with pytest.raises(LedgerDown):
            daemon.guard.poll()
        again, answer = daemon.bench.ask(PROMPT, 8)
        assert again.generation == 1
        assert daemon.bench.right(again, answer, PROMPT, 8)
    daemon.guard.poll()
    daemon.guard.poll()
    row = daemon.ledger.rows.get(bad.swap_id)
    assert (row.state, row.reason) == (State.ROLLED_BACK, "watch_degenerate")
    assert [one["gate"] for one in row.verify].count("watch") == 1
    assert [one.number for one in daemon.ledger.generations.newest(9, good=True)] == [1]
    assert daemon.ledger.rows.get(daemon.live.swap_id).state == State.LIVE
    assert _offer(daemon, 1, forced=False).reason == "watch_degenerate"


@pytest.mark.timeout(60)
def test_nothing_else_goes_live_before_the_rollback_is_written(daemon: Watched) -> None:
    daemon.offer(adapter(0), 0)
    daemon.offer(adapter(1), 1)
    daemon.misbehave()
    with locked(daemon, "IMMEDIATE"), pytest.raises(LedgerDown):
        daemon.guard.poll()
    bad = daemon.ledger.rows.lives(9)[0][0]
    newer = daemon.offer(adapter(2), 2)
    assert newer.state == State.LIVE
    assert daemon.ledger.rows.get(bad.swap_id).state == State.ROLLED_BACK


def test_a_verdict_that_passed_is_written_later_too(daemon: Watched) -> None:
    """A window that ends while the ledger is locked is not lost."""
    row = daemon.offer(adapter(0), 0)
    daemon.watch.renew(Watch(seconds=1e9, min_requests=1))
    daemon.watch._ends = 0.0
    with locked(daemon, "IMMEDIATE"), pytest.raises(LedgerDown):
        daemon.guard.poll()
    daemon.guard.poll()
    daemon.guard.poll()
    noted = daemon.ledger.rows.get(row.swap_id).verify
    assert [(one["gate"], one["outcome"]) for one in noted].count(("watch", "passed")) == 1


@pytest.mark.timeout(60)
def test_a_verdict_waits_if_nothing_is_known_to_go_back_to(daemon: Watched) -> None:
    """After a restart only the ledger knows the older ones: while nobody can read it, the verdict is kept."""
    daemon.offer(adapter(0), 0)
    daemon.offer(adapter(1), 1)
    daemon.going._former.clear()
    daemon.misbehave()
    with locked(daemon, "EXCLUSIVE"), suppress(LedgerDown):
        daemon.guard.poll()
    assert (daemon.live.number, daemon.guard.waits) == (2, True)
    daemon.guard.poll()
    assert (daemon.live.number, daemon.guard.waits) == (1, False)


@pytest.mark.timeout(60)
def test_a_pin_counts_although_the_ledger_cannot_be_read(daemon: Watched) -> None:
    daemon.offer(adapter(0), 0)
    daemon.offer(adapter(1), 1)
    daemon.ledger.flags.set("pinned", value=True)
    daemon.misbehave()
    with locked(daemon, "EXCLUSIVE"), suppress(LedgerDown):
        daemon.guard.poll()
    assert (daemon.live.number, daemon.guard.waits) == (2, False)


def test_a_full_disk_under_the_pointer_keeps_no_bad_generation_live(
    daemon: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon.offer(adapter(0), 0)
    bad = daemon.offer(adapter(1), 1)
    daemon.misbehave()

    def full(_: object, **__: object) -> None:
        raise Unavailable(WaitingCode.DISK_FULL, "no space left")

    with monkeypatch.context() as patch:
        patch.setattr(daemon.store, "point", full)
        daemon.guard.poll()
        assert daemon.live.number == 1
        assert daemon.ledger.rows.get(bad.swap_id).state == State.LIVE
    daemon.guard.poll()
    assert daemon.ledger.rows.get(bad.swap_id).state == State.ROLLED_BACK


def test_logits_that_are_not_finite_are_seen_where_they_arise(daemon: Watched) -> None:
    """A request that meets a NaN is named, others in the same step are not, and its generation gives way."""
    counted: list[Ended] = []

    def on_request_end(ended: Ended) -> None:
        counted.append(ended)
        daemon.watch.ended(ended)

    daemon.bench.rows.on_request_end = on_request_end
    daemon.offer(adapter(0), 0)
    daemon.offer(adapter(1), 1)
    bad = (200, 201)
    handle = daemon.bench.resident.model.register_forward_hook(_nan_for(bad), with_kwargs=True)
    try:
        asked = [daemon.bench.ask(prompt, 3) for prompt in (PROMPT, bad)]
        for _, listener in asked:
            listener.wait()
    finally:
        handle.remove()
    assert sorted((one.non_finite, one.finish, len(one.token_ids)) for one in counted) == [
        (False, "length", 3),
        (True, "error", 0),
    ]
    daemon.guard.poll()
    assert daemon.live.number == 1


def _nan_for(prompt: tuple[int, ...]) -> Callable[[Any, Any, dict[str, Any], Any], Any]:
    """Spoil the logits after this prompt, as an overflow that only some inputs cause would."""

    def hook(module: Any, args: Any, kwargs: dict[str, Any], output: Any) -> Any:
        ids = kwargs["input_ids"][0].tolist()
        for at in range(len(ids) - len(prompt) + 1):
            if tuple(ids[at : at + len(prompt)]) == prompt:
                row = at + len(prompt) - 1
                kept = kwargs.get("logits_to_keep")
                place = row if kept is None else (kept == row).nonzero().flatten()
                output.logits[:, place] = torch.nan
        return output

    return hook


def test_a_gate_that_fails_leaves_what_is_live_alone(daemon: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused by a gate after it was staged, the candidate is ROLLED_BACK and routes and answers are as before."""
    daemon.offer(adapter(0), 0)
    before = daemon.bench.live

    def refuse(*_: object) -> tuple[Part, ...]:
        return (Part("", Answer.REFUSED, "golden_prompt", "it says 5"),)

    monkeypatch.setattr(daemon.engine, "verify", refuse)
    row = daemon.offer(adapter(1), 1)
    assert (row.state, row.reason, row.detail) == (State.ROLLED_BACK, "golden_prompt", "it says 5")
    assert daemon.bench.live is before
    assert daemon.bench.right(*daemon.bench.ask(PROMPT), PROMPT)
