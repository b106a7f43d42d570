"""The queue: nothing is lost, good ones are not hidden by bad ones, and only other bytes are new."""

import threading

import pytest
from kits.queues import BAD, Queue, sure

from hotswapd.daemon.ledger.ledger import Overtaken
from hotswapd.daemon.pipeline.rules import Conditions

pytestmark = pytest.mark.usefixtures("engine_kind")


def test_nothing_is_chosen_before_the_first_scans_are_in() -> None:
    """Neither fetched nor tried, so that the first choice is made among all."""
    queue = Queue(open_now=False)
    queue.place.put("a", b"1")
    queue.scan()
    assert queue.fetch() is None
    assert queue.inbox.choose(Conditions()) is None
    queue.open()
    assert queue.fetched().state == "FETCHED"
    assert sure(queue.inbox.choose(Conditions())).uri == "file:///s/a"


def test_when_the_newest_is_refused_the_next_newest_is_tried() -> None:
    """Bad ones at the top of the queue do not hide the good one below them, and older ones still give way to it."""
    queue = Queue()
    for index, content in enumerate([b"old", b"good", BAD + b"1", BAD + b"2", b"sick"]):
        queue.place.put(str(index), content, stamp=float(index))
    queue.settle()
    assert queue.states() == {
        "file:///s/0": "SUPERSEDED newer_live",
        "file:///s/1": "LIVE",
        "file:///s/2": "REJECTED rank_too_high",
        "file:///s/3": "REJECTED rank_too_high",
        "file:///s/4": "ROLLED_BACK probe_not_finite",
    }


def test_the_newest_sixteen_of_a_source_are_fetched() -> None:
    """What cannot be fetched does not make the daemon try its way through a whole archive."""
    queue = Queue()
    for index in range(20):
        uri = queue.place.put(f"{index:02}", str(index).encode(), stamp=float(index))
    queue.scan()
    for uri in queue.place.there:
        queue.place.there[uri].revision = "changed meanwhile"
    tried = [queue.fetched().uri for _ in range(16)]
    assert tried == [f"file:///s/{index:02}" for index in range(19, 3, -1)]
    assert queue.fetch() is None


def test_one_that_waits_hides_nothing() -> None:
    """An older complete adapter goes live meanwhile, and the newer one after it, when its time has come."""
    queue = Queue()
    queue.place.put("older", b"1", stamp=1.0)
    newer = queue.place.put("newer", b"2", stamp=2.0)
    queue.scan()
    right = queue.place.there[newer].revision
    queue.place.there[newer].revision = "not what was sighted"
    waiting = queue.fetched()
    assert (waiting.state, waiting.reason, waiting.tries) == ("WAITING", "changed", 1)
    assert sure(waiting.next_try) > waiting.sighted
    assert queue.fetched().uri == "file:///s/older"
    queue.turn()
    assert queue.live.uri == "file:///s/older"
    queue.place.there[newer].revision = right
    assert queue.fetch() is None
    queue.clock.now += 2.0
    assert queue.fetched().uri == newer
    queue.turn()
    assert queue.live.uri == newer


def test_an_incomplete_one_never_displaces_a_complete_one() -> None:
    """However long it is the newest, the complete one before it goes live; when it is whole it follows."""
    queue = Queue()
    complete = queue.place.put("complete", b"1")
    half = queue.place.put("half", b"2", code="incomplete")
    queue.settle()
    assert queue.states() == {complete: "LIVE", half: "WAITING incomplete"}
    queue.place.put("half", b"22")
    queue.settle()
    assert queue.states() == {complete: "RETIRED", half: "LIVE"}


def test_a_retry_can_be_hurried() -> None:
    """`submit` on an adapter that waits tries it at once."""
    queue = Queue()
    uri = queue.place.put("a", b"1")
    queue.scan()
    right, queue.place.there[uri].revision = queue.place.there[uri].revision, "x"
    row = queue.fetched()
    queue.place.there[uri].revision = right
    assert queue.fetch() is None
    queue.inbox.hurry(row)
    assert queue.fetched().state == "FETCHED"


@pytest.mark.parametrize("code", ["", "settling"])
def test_touched_ones_make_nothing_live(code: str) -> None:
    """`chmod -R`, `touch` and a backup that is put back change revisions, and bytes say that nothing is new."""
    queue = Queue()
    for name in "abc":
        queue.place.put(name, name.encode())
        queue.settle()
    live = queue.live
    for uri in list(queue.place.there):
        queue.place.touch(uri)
    queue.settle()
    queue.restart()
    queue.settle()
    assert queue.live == live
    assert queue.states() == dict.fromkeys(queue.place.there, "SUPERSEDED unchanged")


def test_an_old_adapter_under_a_new_name_goes_live() -> None:
    """The identity is the digest, and what is dropped last is wanted last."""
    queue = Queue()
    for name in ("a", "b"):
        queue.place.put(name, name.encode())
        queue.settle()
    queue.place.put("a-again", b"a")
    queue.settle()
    assert (queue.live.uri, queue.live.number) == ("file:///s/a-again", 3)


def test_an_old_adapter_written_over_the_newer_one_goes_live() -> None:
    """What lies at an address differs from what was seen there last, though it was seen elsewhere."""
    queue = Queue()
    for name in ("a", "b"):
        queue.place.put(name, name.encode())
        queue.settle()
    queue.place.put("b", b"a")
    queue.settle()
    assert (queue.live.uri, queue.live.number) == ("file:///s/b", 3)


def test_live_bytes_under_another_name_are_not_a_swap() -> None:
    """What is live was just asked for again: nothing changes, and nothing older follows."""
    queue = Queue()
    live = queue.place.put("a", b"a")
    queue.settle()
    queue.place.put("older", b"older", stamp=2000.0)
    copy = queue.place.put("copy", b"a", stamp=2001.0)
    queue.settle()
    assert queue.live.uri == live
    assert queue.states() == {
        live: "LIVE",
        copy: "SUPERSEDED already_live",
        "file:///s/older": "SUPERSEDED newer_live",
    }


def test_one_sighted_again_during_its_fetch_is_not_taken() -> None:
    """The row has a newer revision by then: the old bytes must not pass for it."""
    queue = Queue()
    queue.place.put("a", b"1")
    queue.scan()
    row = sure(queue.inbox.next_fetch("s"))
    queue.place.put("a", b"2")
    queue.scan()
    with pytest.raises(Overtaken):
        queue.inbox.fetched(row, queue.keep(b"1"), 0.1)
    assert queue.ledger.rows.place(row.uri) == ""
    assert queue.states() == {row.uri: "SIGHTED"}


def test_a_change_between_looking_and_waiting_is_not_missed() -> None:
    """Who takes the number before it looks wakes at once when something came in between."""
    queue = Queue()
    since = queue.inbox.changes()
    queue.inbox.notify()
    queue.inbox.wait(since, 600.0)
    waiter = threading.Thread(target=queue.inbox.wait, args=(queue.inbox.changes(), 600.0), daemon=True)
    waiter.start()
    queue.inbox.notify()
    waiter.join(60.0)
    assert not waiter.is_alive()


def test_old_retries_are_not_remembered_for_ever() -> None:
    """Thousands of adapters that failed once leave nothing in memory when their time is over."""
    queue = Queue()
    for index in range(50):
        uri = queue.place.put(str(index), b"x")
        queue.scan()
        queue.place.there[uri].revision = "x"
        queue.fetch()
        queue.place.there.clear()
        queue.scan()
        queue.clock.now += 4000.0
    assert len(queue.inbox._retry_at) <= 1


def test_a_row_that_another_thread_moves_meanwhile_has_lost_its_turn() -> None:
    """Between the choice and the reading of the row: it is neither fetched, nor tried, nor held."""
    queue = Queue()
    queue.place.put("a", b"1", stamp=1.0)
    queue.scan()
    rows = queue.ledger.rows
    waiting = rows.fetchable("s", 1)
    row = queue.fetched()
    stored = rows.stored(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "fetchable", lambda *_: waiting)
        patch.setattr(rows, "stored", lambda *_: [])
        assert queue.inbox.next_fetch("s") is None
    queue.ledger.move(row, row.state.SUPERSEDED)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "stored", lambda *_: stored)
        assert queue.inbox.choose(Conditions()) is None
        queue.inbox.hold_fetched({"default"})
    assert queue.states()["file:///s/a"] == "SUPERSEDED"
