"""The worker's loop: the operator comes before candidates, and trouble with the disk ends nothing."""

import threading

import pytest
from kits.queues import Queue, sure

from hotswapd.daemon.errors import Conflict
from hotswapd.daemon.ledger.ledger import LedgerDown
from hotswapd.swap.errors import ResidentLost

pytestmark = pytest.mark.usefixtures("engine_kind")


@pytest.fixture
def queue() -> Queue:
    made = Queue()
    for name in ("one", "two", "three"):
        made.place.put(name, name.encode())
        made.settle()
    assert made.live.number == 3
    return made


def test_a_command_comes_before_the_next_candidate(queue: Queue) -> None:
    """A rollback that was asked for while a candidate waits pins first: the candidate is held."""
    queue.place.put("four", b"four")
    queue.scan()
    queue.fetch()
    queue.ask(queue.acts.roll_back, queue.default, 1, follow=False)
    queue.settle()
    assert (queue.live.number, queue.states()["file:///s/four"]) == (1, "HELD pinned")


def test_going_back_pins_unless_it_is_told_to_follow(queue: Queue) -> None:
    """After `--follow` the next new adapter goes live as always."""
    queue.ask(queue.acts.roll_back, queue.default, 1, follow=False)
    assert queue.ledger.flags.get("pinned") is True
    queue.ask(queue.acts.roll_back, queue.default, 2, follow=True)
    assert queue.ledger.flags.get("pinned") is False
    queue.place.put("four", b"four")
    queue.settle()
    assert queue.live.number == 4


def test_an_automatic_way_back_does_not_pin(queue: Queue) -> None:
    """A candidate that fails its verification leaves what was live, and the queue open."""
    queue.place.put("sick", b"sick")
    queue.settle()
    assert (queue.live.number, queue.ledger.flags.pinned()) == (3, False)
    assert queue.states()["file:///s/sick"] == "ROLLED_BACK probe_not_finite"


@pytest.mark.parametrize("pinned", [False, True])
@pytest.mark.parametrize("follow", [False, True])
def test_a_rollback_that_fails_leaves_the_pin_as_it_was(queue: Queue, pinned: bool, follow: bool) -> None:
    """What the operator had chosen before is still so, and what was live is live."""
    queue.ledger.flags.set("pinned", pinned)
    queue.model.full = True
    for number, code in ((99, "no_such_generation"), (3, "already_live"), (1, "no_berth")):
        with pytest.raises(Conflict) as caught:
            queue.ask(queue.acts.roll_back, queue.default, number, follow=follow)
        assert (caught.value.code, queue.live.number) == (code, 3)
    assert queue.ledger.flags.pinned() is pinned


def test_a_pin_keeps_what_is_live_or_another_generation(queue: Queue) -> None:
    """Without a number nothing but the flag changes; with one it goes there, and refuses nobody."""
    assert queue.ask(queue.acts.pin, queue.default, None).number == 3
    assert queue.ledger.flags.pinned() is True
    rows = len(queue.ledger.rows.history(100))
    assert queue.ask(queue.acts.pin, queue.default, 3).number == 3
    assert len(queue.ledger.rows.history(100)) == rows
    assert queue.ask(queue.acts.pin, queue.default, 1).number == 1
    assert [one.number for one in queue.ledger.generations.newest(9, good=True)] == [3, 2, 1]
    with pytest.raises(Conflict):
        queue.ask(queue.acts.pin, queue.default, 99)
    assert queue.ledger.flags.pinned() is True


def test_a_moved_pin_still_frees_what_it_held(queue: Queue) -> None:
    """Pinning an older generation supersedes no candidate."""
    queue.ledger.flags.set("pinned", value=True)
    queue.place.put("four", b"four")
    queue.settle()
    queue.ask(queue.acts.pin, queue.default, 1)
    queue.settle()
    assert queue.states()["file:///s/four"] == "HELD pinned"
    queue.ledger.flags.set("pinned", value=False)
    queue.settle()
    assert queue.live.uri == "file:///s/four"


def test_a_paused_queue_gives_nothing_and_shows_why(queue: Queue) -> None:
    """Candidates are still fetched, and go on where they stopped when it is resumed."""
    queue.ledger.flags.set("paused", value=True)
    queue.place.put("four", b"four")
    queue.settle()
    row = sure(queue.ledger.rows.latest("file:///s/four"))
    assert (row.state, row.reason, queue.live.number) == ("HELD", "paused", 3)
    assert "`hotswapd resume` goes on" in row.detail
    queue.ledger.flags.set("paused", value=False)
    queue.settle()
    assert queue.live.uri == "file:///s/four"


def test_a_ledger_that_is_down_ends_nothing(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is live stays live; when the disk takes writes again the candidate goes on by itself."""
    queue.place.put("four", b"four")
    queue.scan()
    queue.fetch()
    turns = []

    def down(*_: object, **__: object) -> None:
        turns.append(1)
        raise LedgerDown("the ledger cannot be used: database or disk is full; free space")

    monkeypatch.setattr("hotswapd.daemon.pipeline.worker._LEDGER_WAIT", 0.0)
    ledger = queue.ledger
    for part, method in ((ledger, "move"), (ledger.attempts, "begin"), (ledger, "going_live")):
        monkeypatch.setattr(part, method, down)
        queue.turn()
        assert queue.live.number == 3
        monkeypatch.delattr(part, method)
    assert len(turns) == 3
    queue.settle()
    assert queue.live.uri == "file:///s/four"


def test_a_defect_in_a_command_costs_only_the_command(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that nobody foresaw is answered with its name; a lost resident ends the worker."""
    monkeypatch.setattr(queue.model, "verify", lambda *_: 1 // 0)
    with pytest.raises(Conflict, match="ZeroDivisionError") as caught:
        queue.ask(queue.acts.roll_back, queue.default, 1, follow=False)
    assert (caught.value.code, queue.live.number) == ("internal_error", 3)

    def lost(*_: object) -> None:
        raise ResidentLost("the device does not answer any more")

    monkeypatch.setattr(queue.model, "verify", lost)
    refused = []

    def asks() -> None:
        with pytest.raises(Conflict) as caught:
            queue.acts.pin(queue.default, 1)
        refused.append(caught.value.code)

    def turns() -> None:
        while asking.is_alive():
            queue.turn()

    asking = threading.Thread(target=asks)
    asking.start()
    with pytest.raises(ResidentLost):
        turns()
    asking.join(60.0)
    assert refused == ["internal_error"]
