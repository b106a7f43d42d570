"""What scans see, and what of it the ledger calls new."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kits.queues import Queue, sure

from hotswapd.daemon.ledger.states import State

pytestmark = pytest.mark.usefixtures("engine_kind")


def uris(queue: Queue) -> list[str]:
    """Name the addresses in the order of their sightings."""
    return [row.uri for row in reversed(queue.ledger.rows.history(100))]


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(1, 3)), unique_by=lambda one: one[0]))
def test_what_one_scan_finds_is_ordered_by_stamp_then_by_address(drawn: list[tuple[str, int]]) -> None:
    """However the source lists them: by the source's own clock, and of equal stamps by address."""
    queue = Queue()
    for name, stamp in drawn:
        queue.place.put(name, b"x", stamp=float(stamp))
    queue.scan()
    assert uris(queue) == [f"file:///s/{name}" for stamp, name in sorted((stamp, name) for name, stamp in drawn)]


def test_the_first_scans_of_all_sources_make_one_order() -> None:
    """Before anything is chosen the sources' first finds are ordered as if one scan had seen them."""
    queue = Queue("a", "b", open_now=False)
    old, new = queue.places["b"].put("old", b"1", stamp=1.0), queue.places["b"].put("new", b"3", stamp=3.0)
    middle = queue.places["a"].put("middle", b"2", stamp=2.0)
    queue.scan("b")
    queue.scan("a")
    assert (queue.ledger.rows.history(10), queue.inbox.next_fetch("a"), queue.fetch("b")) == ([], None, None)
    queue.open()
    assert uris(queue) == [old, middle, new]


def test_every_source_is_waited_for_once() -> None:
    """A source that cannot look counts as asked: nobody waits for it twice."""
    queue = Queue("a", "b", open_now=False)
    sightings = queue.inbox.sightings
    assert not sightings.all_scanned()
    queue.inbox.scanned("a", None)
    assert not sightings.all_scanned()
    queue.scan("b")
    assert sightings.all_scanned()


def test_a_late_sources_older_finds_do_not_replace_what_was_live() -> None:
    """What a slow source finds that is older than the live one has ended before it began; what is newer has not."""
    queue = Queue("a", "late")
    live = queue.places["a"].put("live", b"live", stamp=5.0)
    queue.settle()
    queue.restart("late")
    older, newer = (queue.places["late"].put(n, n.encode(), stamp=s) for n, s in (("older", 4.0), ("newer", 6.0)))
    queue.scan("late")
    assert queue.states()[older] == "SUPERSEDED older_than_live"
    queue.settle()
    assert queue.states() == {live: "RETIRED", older: "SUPERSEDED older_than_live", newer: "LIVE"}


def test_a_late_source_is_compared_with_what_is_live() -> None:
    """Also with what went live after the start, and when nothing was live before."""
    queue = Queue("a", "late", open_now=False)
    live = queue.places["a"].put("live", b"live", stamp=5.0)
    queue.open("late")
    queue.scan("a")
    queue.fetch("a")
    queue.turn()
    assert queue.states()[live] == "LIVE"
    older = queue.places["late"].put("older", b"older", stamp=4.0)
    queue.settle()
    assert queue.states() == {live: "LIVE", older: "SUPERSEDED older_than_live"}


def test_after_the_first_scan_any_stamp_is_new() -> None:
    """A clock that is behind, or a copy that keeps old times, hides nothing once the source is being watched."""
    queue = Queue()
    queue.place.put("live", b"live", stamp=5.0)
    queue.settle()
    dropped = queue.place.put("dropped", b"other", stamp=1.0)
    queue.settle()
    assert queue.states()[dropped] == "LIVE"


def test_with_a_lost_ledger_nothing_older_goes_live() -> None:
    """The pointer is what is left: what the folder holds beside it is only new when it is newer."""
    queue = Queue()
    for stamp in (1.0, 2.0):
        queue.place.put(f"run-{stamp}", str(stamp).encode(), stamp=stamp)
    queue.settle()
    live = queue.live
    queue.ledger.close()
    (queue.directory / "ledger.sqlite").unlink()
    queue.start(open_now=False)
    queue.open(guarded=True)
    queue.settle()
    assert queue.live == live
    assert queue.states()["file:///s/run-1.0"] == "SUPERSEDED older_than_live"


@pytest.mark.parametrize("times", [1, 3])
def test_a_sighting_that_does_not_change_writes_nothing(times: int) -> None:
    """Sources say all that exists at each scan; the ledger hears only of changes."""
    queue = Queue()
    queue.place.put("a", b"1", code="settling")
    for _ in range(times):
        queue.scan()
    assert [row.state for row in queue.told] == ["WAITING"]


def test_what_waits_says_why_and_becomes_sighted_when_it_is_whole() -> None:
    """The reason follows what the source says, in one row."""
    queue = Queue()
    for code in ("settling", "incomplete", "permission", ""):
        uri = queue.place.put("a", b"1", code=code)
        queue.place.there[uri].revision = "r"
        queue.scan()
    assert [(row.state, row.reason) for row in queue.told] == [
        ("WAITING", "settling"),
        ("WAITING", "incomplete"),
        ("WAITING", "permission"),
        ("SIGHTED", ""),
    ]
    assert len(queue.ledger.rows.history(10)) == 1


def test_what_is_still_being_written_counts_as_the_newest() -> None:
    """A new revision of what is not fetched yet is the same row, at the end of the order."""
    queue = Queue()
    first = queue.place.put("first", b"1", code="settling")
    second = queue.place.put("second", b"2")
    queue.scan()
    queue.place.put("first", b"11")
    queue.scan()
    assert uris(queue) == [second, first]


def test_one_deleted_before_its_fetch_is_new_when_it_returns() -> None:
    """Also with the very same revision, and also when the daemon was restarted in between."""
    queue = Queue()
    for restarts in (False, True):
        uri = queue.place.put("a", b"1")
        queue.scan()
        there = queue.place.there.pop(uri)
        queue.scan()
        assert queue.states()[uri] == "GONE gone"
        if restarts:
            queue.restart()
        queue.place.there[uri] = there
        queue.scan()
        assert queue.states()[uri] == "SIGHTED"
        queue.place.there.pop(uri)
        queue.scan()


def test_deleting_never_unloads() -> None:
    """What is live stays live, and what is in the store stays a candidate, without their source."""
    queue = Queue()
    queue.place.put("a", b"1")
    queue.settle()
    queue.place.put("b", b"2")
    queue.scan()
    queue.fetch()
    queue.place.there.clear()
    queue.settle()
    assert queue.states() == {"file:///s/a": "RETIRED", "file:///s/b": "LIVE"}
    queue.restart()
    queue.settle()
    assert queue.live.uri == "file:///s/b"


def test_what_was_away_for_a_while_is_not_new() -> None:
    """An empty mount point, seen once, must not make thousands of known adapters be copied again."""
    queue = Queue()
    for name in "abc":
        queue.place.put(name, name.encode())
    queue.settle()
    rows, there = len(queue.ledger.rows.history(100)), dict(queue.place.there)
    queue.place.there.clear()
    queue.scan()
    queue.place.there.update(there)
    queue.settle()
    assert len(queue.ledger.rows.history(100)) == rows


def test_what_was_opened_again_is_not_disturbed_by_the_next_scan() -> None:
    """A scan that sees what the ledger already calls sighted changes nothing, whatever the reason there says."""
    queue = Queue()
    uri = queue.place.put("a", b"bad")
    queue.settle()
    assert queue.states()[uri] == "REJECTED rank_too_high"
    queue.model.tolerant = True
    queue.restart(fingerprint="another policy")
    assert queue.states()[uri] == "SIGHTED reopened"
    queue.scan()
    assert queue.states()[uri] == "SIGHTED reopened"
    queue.settle()
    assert queue.states()[uri] == "LIVE"


def test_a_scan_is_one_transaction() -> None:
    """Thousands of sightings and of changes are told of together, which is once they are durable."""
    queue = Queue()
    for waiting in ("settling", ""):
        for index in range(300):
            uri = queue.place.put(str(index), b"x", code=waiting)
            queue.place.there[uri].revision = "r"
        queue.scan()
    assert [len(rows) for rows in queue.changes] == [300, 300]


def test_an_address_that_was_asked_for_is_new() -> None:
    """`submit --again`: the next scan makes a row that neither known bytes nor an earlier verdict end."""
    queue = Queue()
    uri = queue.place.put("a", b"bad")
    queue.settle()
    sightings = queue.inbox.sightings
    sightings.ask(uri)
    assert sightings.asked(uri) == ""
    queue.scan()
    row = queue.ledger.rows.get(sure(sightings.asked(uri)))
    assert (row.uri, row.state, row.forced) == (uri, State.SIGHTED, True)
    sightings.forget(uri)
    assert sightings.asked(uri) is None


def test_asking_for_what_already_waits_marks_its_row() -> None:
    """The row that is there is the one that was asked for; no second one is made."""
    queue = Queue()
    uri = queue.place.put("a", b"1", code="settling")
    queue.scan()
    queue.inbox.sightings.ask(uri)
    queue.scan()
    (row,) = queue.ledger.rows.history(10)
    assert (row.swap_id, row.forced) == (queue.inbox.sightings.asked(uri), True)


def test_what_is_away_is_known_to_the_ledger_alone() -> None:
    """A trainer that makes a directory a minute and deletes the old ones costs no memory, and none is new twice."""
    queue = Queue()
    uris = []
    for number in range(50):
        uris.append(queue.place.put(f"run-{number}", b"%d" % number))
        queue.settle()
        if number < 49:
            lost = queue.place.there.pop(uris[-1])
    assert set(queue.inbox.sightings._known["s"]) == {uris[-1]}
    rows = len(queue.ledger.rows.history(1000))
    queue.place.there[uris[-2]] = lost
    queue.settle()
    assert len(queue.ledger.rows.history(1000)) == rows
