"""Channels on a real model: whatever happens in one, the others' weights, pointers and numbers stay, bit for bit."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kits.adapters import make_bad
from kits.candidates import Daemon
from kits.rows import SHORT_ASK, adapter, bench

from hotswapd.daemon.ledger.ledger import RETIRES
from hotswapd.daemon.ledger.states import State

BAD = ("nan", "rank_too_high", "truncated")


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with bench(berths=4) as made:
        one = Daemon(made, tmp_path)
        one.engine.start()
        for index, name in ((0, "a"), (1, "a"), (2, "b")):
            assert one.offer(adapter(index), index, channel=name).state == State.LIVE
        yield one
        one.engine.stop(10.0)


def world(daemon: Daemon, name: str, tmp_path: Path) -> tuple[Any, ...]:
    """Return the bytes in a channel's berth and of its pointer, its rows, and an answer with its log-probabilities."""
    image = daemon.bench.rows.live(name)
    assert image is not None
    ticket, heard = daemon.bench.ask(SHORT_ASK, name=name, logprobs=3)
    answer = heard.wait()
    pointer = (tmp_path / "store" / "channels" / f"{name}.json").read_bytes()
    rows = [(row.swap_id, row.state, row.reason) for row in daemon.ledger.rows.history(99, name)]
    weights = image.buffer.numpy().tobytes()
    return ticket.generation, ticket.digest, answer.token_ids, answer.logprobs, weights, pointer, rows


def _bad(daemon: Daemon, tmp_path: Path) -> None:
    """One that no header can tell, one that no slot takes, and one that is no adapter at all."""
    for name in BAD:
        ended = daemon.offer(make_bad(adapter(1), tmp_path / name, name), channel="a")
        assert ended.state in (State.REJECTED, State.ROLLED_BACK)


def _roll_back(daemon: Daemon, _: Path) -> None:
    rollback = daemon.channels.of("a").rollback
    assert rollback.run(rollback.target(None), RETIRES).number == 1


def _hold(daemon: Daemon, _: Path) -> None:
    for hold in ("pinned", "paused"):
        daemon.ledger.flags.set(hold, value=True, channel="a")
    assert (daemon.ledger.flags.pinned("b"), daemon.ledger.flags.paused("b")) == (False, False)


def _park(daemon: Daemon, _: Path) -> None:
    """It loses its berth to what comes, and comes back."""
    assert daemon.bench.rows.park_idle()
    for index in (0, 1):
        assert daemon.offer(adapter(index), index, channel=f"c{index}").state == State.LIVE


@pytest.mark.parametrize("act", [_bad, _roll_back, _hold, _park])
def test_nothing_of_another_channel_changes_by_a_bit(
    daemon: Daemon, act: Callable[[Daemon, Path], None], tmp_path: Path
) -> None:
    """Neither the base's answer, with its log-probabilities."""
    before = world(daemon, "b", tmp_path)
    base = daemon.bench.ask(SHORT_ASK, generation=0, logprobs=3)[1].wait().logprobs
    act(daemon, tmp_path)
    assert world(daemon, "b", tmp_path) == before
    assert daemon.bench.ask(SHORT_ASK, generation=0, logprobs=3)[1].wait().logprobs == base


def test_the_same_bytes_are_refused_in_one_channel_and_live_in_the_other(daemon: Daemon) -> None:
    """What one channel's gate says of a digest is said of it there alone."""
    row = daemon.offer(adapter(3), 3, channel="b")
    refused = daemon.ledger.rows.live("b")
    assert refused is not None
    assert refused.digest == row.digest
    rollback = daemon.channels.of("b").rollback
    rollback.run(rollback.target(None), RETIRES, refuses=row.generation)
    assert daemon.offer(adapter(3), 3, channel="a").state == State.LIVE
    live = {name: daemon.channels.of(name).live.now.digest == row.digest for name in ("a", "b")}
    assert live == {"a": True, "b": False}
