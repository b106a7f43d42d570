"""Tidying up is a rename: files that are known are not tried again under another name."""

import pytest
from kits.queues import Queue

from hotswapd.daemon.ledger.states import State
from hotswapd.loaders.codes import IgnoredCode
from hotswapd.loaders.source import Waiting


def tidied(queue: Queue, **options: bool) -> list[str]:
    """Let three adapters go live one after another, move the first two, and return their new addresses."""
    old = []
    for name in ("run-0", "run-1", "run-2"):
        old.append(queue.place.put(name, name.encode()))
        queue.settle()
    moved = [queue.place.rename(uri, f"archive/run-{number}", **options) for number, uri in enumerate(old[:2])]
    queue.settle()
    return moved


@pytest.mark.parametrize("touched", [False, True], ids=["directory", "each file"])
def test_moved_adapters_are_not_tried_again(touched: bool) -> None:
    """Whether the directory was moved, which leaves its files as they are, or the files, which changes their times."""
    queue = Queue()
    moved = tidied(queue, touched=touched)
    assert queue.live.number == 3
    assert [queue.states()[uri] for uri in moved] == ["SUPERSEDED renamed"] * 2
    latest = queue.ledger.rows.latest(moved[1])
    assert latest is not None
    assert "known as file:///s/run-1: they were moved" in latest.detail


def test_moved_adapters_never_enter_the_queue() -> None:
    """The scan that finds them is the end of it: nothing is fetched."""
    queue = Queue()
    queue.place.put("run-0", b"zero")
    queue.settle()
    queue.place.put("run-1", b"one")
    queue.settle()
    queue.place.rename("file:///s/run-0", "old")
    queue.scan()
    assert queue.ledger.rows.open_count() == 0
    assert queue.fetch() is None


def test_what_was_moved_stays_ended_after_a_touch_and_a_restart() -> None:
    queue = Queue()
    moved = tidied(queue)
    queue.place.touch(moved[1])
    queue.settle()
    assert queue.states()[moved[1]] == "SUPERSEDED unchanged"
    queue.restart()
    queue.settle()
    assert queue.live.number == 3


def test_moving_while_the_daemon_is_down_makes_nothing_live() -> None:
    queue = Queue()
    for name in ("run-0", "run-1"):
        queue.place.put(name, name.encode())
        queue.settle()
    moved = queue.place.rename("file:///s/run-0", "old")
    queue.restart()
    queue.settle()
    assert (queue.live.number, queue.states()[moved]) == (2, "SUPERSEDED renamed")


def test_what_was_never_fetched_is_not_tried_either() -> None:
    """A newer one went live first; its turn had passed."""
    queue = Queue()
    old = queue.place.put("run-0", b"zero")
    queue.place.put("run-1", b"one", stamp=queue.clock() + 1)
    queue.settle()
    assert queue.states()[old] == "SUPERSEDED newer_live"
    moved = queue.place.rename(old, "old")
    queue.settle()
    assert (queue.states()[moved], queue.live.number) == ("SUPERSEDED renamed", 1)


def test_a_copy_of_an_old_adapter_goes_live() -> None:
    """Other files with the same bytes: somebody put it there on purpose."""
    queue = Queue()
    tidied(queue)
    queue.place.put("again", b"run-0")
    queue.settle()
    assert queue.live.uri == "file:///s/again"


def test_submit_again_tries_a_moved_one() -> None:
    queue = Queue()
    moved = tidied(queue)[0]
    queue.inbox.sightings.ask(moved)
    queue.settle()
    assert queue.live.uri == moved


@pytest.mark.parametrize("touched", [False, True])
def test_reused_files_with_other_bytes_are_new(touched: bool) -> None:
    """A file system gives the numbers of deleted files to new ones; their times and bytes differ."""
    queue = Queue()
    old = queue.place.put("run-0", b"zero")
    queue.settle()
    fresh = queue.place.put("run-1", b"one")
    queue.place.there[fresh].identity = queue.place.there.pop(old).identity
    queue.settle()
    assert queue.live.uri == fresh


def test_one_that_waits_keeps_its_turn_under_its_new_name() -> None:
    queue = Queue()
    uri = queue.place.put("run-0", b"zero", code="incomplete")
    queue.scan()
    row = queue.ledger.rows.latest(uri)
    moved = queue.place.rename(uri, "renamed")
    queue.scan()
    assert queue.ledger.rows.latest(uri) is None
    queue.place.there[moved].waiting = None
    queue.settle()
    assert queue.live.uri == moved
    assert row is not None
    assert queue.live.swap_id == row.swap_id


def test_a_refused_one_is_tried_where_it_lies_now() -> None:
    """Another policy opens it again; it was moved meanwhile."""
    queue = Queue()
    uri = queue.place.put("run-0", b"bad")
    queue.settle()
    assert queue.states()[uri].startswith("REJECTED")
    moved = queue.place.rename(uri, "moved")
    queue.settle()
    assert queue.states()[moved] == "SUPERSEDED renamed"
    queue.restart(fingerprint="another policy")
    queue.settle()
    last = queue.ledger.rows.history(1)[0]
    assert (last.uri, last.state) == (moved, State.SUPERSEDED)
    assert queue.ledger.rows.open_count() == 0
    assert [row.uri for row in queue.ledger.rows.history(9) if row.state == State.REJECTED] == [moved]


def test_a_fetch_under_way_is_overtaken_by_the_move() -> None:
    """The source says that the old address is gone; the row has a new one already."""
    queue = Queue()
    uri = queue.place.put("run-0", b"zero")
    queue.scan()
    row = queue.inbox.next_fetch("s")
    assert row is not None
    moved = queue.place.rename(uri, "renamed")
    queue.scan()
    with pytest.raises(Exception, match="no longer"):
        queue.ledger.move(row, State.GONE, "gone", "it was deleted")
    queue.settle()
    assert queue.live.uri == moved


def test_what_is_ignored_is_shown_and_not_queued() -> None:
    queue = Queue()
    uri = queue.place.put("run.tmp", b"zero")
    queue.place.there[uri].waiting = Waiting(IgnoredCode.TEMPORARY_NAME, "it ends in .tmp")
    queue.settle()
    assert queue.states()[uri] == "IGNORED temporary_name"
    assert [row.uri for row in queue.ledger.rows.ignored()] == [uri]
    assert queue.ledger.rows.open_count() == 0
    queue.place.put("run-1", b"one")
    queue.settle()
    assert queue.states()[uri] == "IGNORED temporary_name"  # it holds up nothing, and nothing supersedes it


def test_an_ignored_one_that_is_renamed_into_place_is_new() -> None:
    """That is how adapters are dropped: its files are the same, and nobody has tried them."""
    queue = Queue()
    queue.place.put("run-1", b"one")
    uri = queue.place.put(".run.tmp", b"zero")
    queue.place.there[uri].waiting = Waiting(IgnoredCode.TEMPORARY_NAME, "it begins with a dot")
    queue.settle()
    moved = queue.place.rename(uri, "run")
    queue.place.there[moved].waiting = None
    queue.settle()
    assert (queue.live.uri, queue.states()[uri]) == (moved, "GONE gone")
    queue.restart()
    queue.settle()
    assert queue.live.uri == moved


def test_files_of_an_older_ledger_are_recognised_once_they_were_scanned() -> None:
    """Its rows have no identity yet: the first scan after the start adds it."""
    queue = Queue()
    uri = queue.place.put("run-0", b"zero")
    queue.settle()
    queue.place.put("run-1", b"one")
    queue.settle()
    with queue.ledger._file.writing() as database:
        database.execute("UPDATE swaps SET identity = ''")
    queue.restart()
    moved = queue.place.rename(uri, "old", touched=True)
    queue.settle()
    assert queue.states()[moved] == "SUPERSEDED renamed"
