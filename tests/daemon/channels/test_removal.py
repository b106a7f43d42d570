"""A channel that is removed."""

import pytest
from kits.engines import FakeEngine
from kits.queues import Queue, sure

from hotswapd.daemon.errors import BadRequest, Conflict
from hotswapd.daemon.ledger.ledger import LedgerDown
from hotswapd.loaders.codes import WaitingCode
from hotswapd.loaders.errors import Unavailable


def put(queue: Queue, *names: str) -> None:
    for name in names:
        queue.place.put(name, name.encode())
        queue.settle()


@pytest.fixture
def filled(queue: Queue) -> Queue:
    """Make one channel live, with a candidate that is held, and another one beside it."""
    put(queue, "a/1", "a/2", "b/1")
    queue.ledger.flags.set("pinned", value=True, channel="a")
    put(queue, "a/3")
    return queue


def remove(queue: Queue, *, purge: bool = False) -> None:
    queue.ask(queue.acts.remove, queue.channels.of("a"), purge=purge)


def kept(queue: Queue) -> set[str]:
    """Return the digests that the collector would keep."""
    lives = {one.digest for one in queue.channels.lives()}
    return queue.ledger.generations.kept(5, []) | queue.ledger.rows.in_store() | lives


def test_its_bytes_go_and_its_rows_stay(filled: Queue) -> None:
    mine = {row.digest for row in filled.ledger.rows.history(9, "a")}
    other = sure(filled.ledger.rows.live("b")).digest
    assert kept(filled) == mine | {other}
    remove(filled)
    assert kept(filled) == {other}
    assert filled.states() == {
        "file:///s/a/1": "RETIRED",
        "file:///s/a/2": "RETIRED channel_removed",
        "file:///s/a/3": "SUPERSEDED channel_removed",
        "file:///s/b/1": "LIVE",
    }
    engine = filled.engine
    assert isinstance(engine, FakeEngine)
    assert engine.routes == {"default": 0, "b": 3}
    assert (filled.store.pointed(), filled.channels.names()) == (["b"], ["default", "b"])
    assert not filled.ledger.flags.pinned("a")


def test_a_new_adapter_makes_it_anew_and_an_old_one_does_not(filled: Queue) -> None:
    """Its numbers go on: none is given twice."""
    remove(filled)
    filled.settle()
    assert filled.channels.names() == ["default", "b"]
    put(filled, "a/4")
    assert {one.channel: one.number for one in filled.channels.lives()} == {"a": 4, "b": 3}


def test_a_purge_leaves_no_trace(filled: Queue) -> None:
    """What still lies in its source is new then."""
    remove(filled, purge=True)
    assert filled.ledger.rows.history(9, "a") == []
    assert [one.number for one in filled.ledger.generations.newest(9, "a")] == []
    filled.restart()
    assert {one.channel: one.number for one in filled.channels.lives()} == {"b": 3}
    filled.settle()
    assert {one.channel: one.number for one in filled.channels.lives()} == {"a": 4, "b": 3}


def test_a_rollout_ends_with_its_channel(filled: Queue) -> None:
    filled.ledger.flags.forget("a")
    filled.ask(filled.acts.start, filled.channels.of("a"), 1, 50.0)
    remove(filled)
    assert filled.channels.number("a") is None


def test_the_default_channel_stays(filled: Queue) -> None:
    with pytest.raises(BadRequest) as caught:
        filled.acts.remove(filled.default, purge=True)
    assert caught.value.code == "bad_channel"


def test_what_cannot_be_removed_stays_whole(filled: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a full disk under the pointer nor a ledger that is down leaves half of it."""
    before, pointer = filled.states(), filled.store.pointer("a")

    def full(_: str) -> None:
        raise Unavailable(WaitingCode.DISK_FULL, "no space left")

    with monkeypatch.context() as patch:
        patch.setattr(filled.store, "unpoint", full)
        with pytest.raises(Conflict, match="no space left"):
            remove(filled)
    unpoint = filled.store.unpoint

    def late(name: str) -> None:
        unpoint(name)
        raise LedgerDown("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(filled.store, "unpoint", late)
        with pytest.raises(LedgerDown):
            remove(filled)
    assert (filled.states(), filled.store.pointer("a")) == (before, pointer)
    assert filled.channels.of("a").live.now.number == 2
