"""One candidate's way from the store to live, with any verdict at will: what is written, and what is served."""

import contextlib
import sqlite3
from typing import Any

import pytest
from kits.queues import BAD, Queue, sure

from hotswapd.daemon.ledger.attempts import SWAP
from hotswapd.daemon.ledger.ledger import LedgerDown
from hotswapd.daemon.ledger.rows import Row
from hotswapd.loaders.codes import WaitingCode
from hotswapd.loaders.errors import Unavailable
from hotswapd.swap.errors import ResidentLost

pytestmark = pytest.mark.usefixtures("engine_kind")


@pytest.fixture
def queue() -> Queue:
    made = Queue()
    made.place.put("first", b"first")
    made.settle()
    assert made.live.number == 1
    return made


def offer(queue: Queue, name: str, content: bytes | None = None) -> Row:
    """Drop an adapter and let it be fetched, but not tried."""
    queue.place.put(name, name.encode() if content is None else content)
    queue.scan()
    return queue.fetched()


def last_states(queue: Queue, swap_id: str) -> list[str]:
    return [str(row.state) for row in queue.told if row.swap_id == swap_id]


def test_each_step_is_written_before_the_next(queue: Queue) -> None:
    """The ledger tells the whole way in order, and the row holds the seconds of each step."""
    row = offer(queue, "a")
    queue.turn()
    way = ["SIGHTED", "FETCHED", "ADMITTED", "STAGED", "VERIFIED", "LIVE"]
    assert last_states(queue, row.swap_id) == way
    assert set(queue.ledger.rows.get(row.swap_id).seconds) == {"fetch", "admit", "stage", "verify", "pause"}


def test_pointer_ledger_and_engine_name_one_generation(queue: Queue) -> None:
    """After a swap all three say the same, and the one before has retired."""
    offer(queue, "a")
    queue.turn()
    pointer = queue.pointer()
    assert pointer == queue.live.record()
    assert sure(queue.ledger.rows.live()).swap_id == pointer["swap_id"]
    assert queue.model.live == pointer["digest"] == queue.model.live


def test_known_bad_bytes_are_refused_without_being_looked_at(queue: Queue) -> None:
    """A digest that was refused under this contract and policy has its verdict, wherever it lies."""
    first = offer(queue, "bad", BAD)
    queue.turn()
    queue.model.tolerant = True  # so that a second look would take it
    again = offer(queue, "copy-of-bad", BAD)
    queue.turn()
    first, again = queue.ledger.rows.get(first.swap_id), queue.ledger.rows.get(again.swap_id)
    assert (again.state, again.reason, again.detail) == ("REJECTED", first.reason, first.detail)
    assert last_states(queue, again.swap_id) == ["SIGHTED", "FETCHED", "REJECTED"]


def test_another_policy_looks_at_refused_bytes_again(queue: Queue) -> None:
    """The verdict belongs to a fingerprint of contract and policy: a restart with another one tries it anew."""
    row = offer(queue, "bad", BAD)
    queue.turn()
    queue.model.tolerant = True
    queue.restart()
    queue.settle()
    assert queue.ledger.rows.get(row.swap_id).state == "REJECTED"
    queue.restart(fingerprint="another")
    queue.settle()
    assert (queue.ledger.rows.get(row.swap_id).state, queue.live.uri) == ("LIVE", row.uri)


def test_what_was_asked_for_again_is_tried_again(queue: Queue) -> None:
    """`submit --again` goes past a verdict, past the live bytes and past a quarantine."""
    row = offer(queue, "bad", BAD)
    queue.turn()
    queue.model.tolerant = True
    for uri in (row.uri, queue.live.uri):
        queue.inbox.sightings.ask(uri)
        queue.scan()
        number = queue.live.number
        queue.inbox.sightings.forget(uri)
        queue.settle()
        assert (queue.live.uri, queue.live.number) == (uri, number + 1)


def test_bytes_that_the_process_died_with_twice_are_quarantined(queue: Queue) -> None:
    """Once may be bad luck; the second time they are set aside, and only the operator tries them a third time."""
    row = offer(queue, "deadly")

    def die() -> None:
        raise KeyboardInterrupt  # no `finally` of the pipeline may tidy up more than a death would

    queue.model.before_verify = die
    for deaths in (1, 2):
        with pytest.raises(KeyboardInterrupt):
            queue.turn()
        queue.restart()
        assert queue.ledger.attempts.deaths(row.digest, SWAP) == (deaths, "verification")
    queue.settle()
    ended = queue.ledger.rows.get(row.swap_id)
    assert (ended.state, ended.reason, queue.live.number) == ("QUARANTINED", "process_died", 1)
    assert "died 2 times in verification; `hotswapd submit --again` tries it once more" in ended.detail
    copy = offer(queue, "copy", b"deadly")
    queue.settle()
    assert queue.ledger.rows.get(copy.swap_id).state == "QUARANTINED"
    queue.model.before_verify = lambda: None
    queue.inbox.sightings.ask(row.uri)
    queue.scan()
    queue.settle()
    assert queue.live.uri == row.uri
    assert queue.ledger.attempts.deaths(row.digest, SWAP)[0] == 0


def test_a_pin_lets_candidates_be_verified_and_holds_them(queue: Queue) -> None:
    """They are known to be good when the pin is taken off; then the newest goes live and ends the others."""
    queue.ledger.flags.set("pinned", value=True)
    older = offer(queue, "older")
    queue.turn()
    newer = offer(queue, "newer")
    for _ in range(3):
        queue.turn()
    assert last_states(queue, newer.swap_id)[-2:] == ["VERIFIED", "HELD"]
    assert queue.states()[older.uri] == queue.states()[newer.uri] == "HELD pinned"
    assert queue.live.number == 1
    queue.ledger.flags.set("pinned", value=False)
    queue.settle()
    assert queue.states() == {
        "file:///s/first": "RETIRED",
        older.uri: "SUPERSEDED newer_live",
        newer.uri: "LIVE",
    }


def test_without_a_berth_it_is_held_until_a_newer_one(queue: Queue) -> None:
    """`no_berth` is no verdict: the newest is tried as soon as a berth is free."""
    queue.model.full = True
    older = offer(queue, "older")
    queue.turn()
    held = queue.ledger.rows.get(older.swap_id)
    assert (held.state, held.reason) == ("HELD", "no_berth")
    assert held.next_try is not None
    newer = offer(queue, "newer")
    queue.turn()
    assert queue.states()[newer.uri] == "HELD no_berth"
    queue.ledger.amend(queue.ledger.rows.get(newer.swap_id), next_try=0.0)
    queue.model.full = False
    queue.turn()
    assert (queue.live.uri, queue.states()[older.uri]) == (newer.uri, "SUPERSEDED newer_live")


def test_a_copy_that_the_store_has_lost_is_fetched_again(queue: Queue) -> None:
    """The row waits for its source, and is no longer ended by the bytes' being known."""
    queue.ledger.flags.set("paused", value=True)
    row = offer(queue, "a")
    queue.store.collect([])
    queue.store.collect([])
    queue.ledger.flags.set("paused", value=False)
    queue.turn()
    assert queue.states()[row.uri] == "WAITING artifact_lost"
    assert queue.fetched().state == "FETCHED"
    queue.turn()
    assert queue.live.uri == row.uri


def test_a_pointer_that_cannot_be_written_holds_the_candidate(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store's disk is full: what is served does not change, and it is tried again by itself."""

    def full(record: dict[str, Any], **_: object) -> None:
        raise Unavailable(WaitingCode.DISK_FULL, "the store's disk is full: free some space or lower state.keep")

    monkeypatch.setattr(queue.store, "point", full)
    before, served = queue.live, queue.model.live
    row = offer(queue, "a")
    queue.turn()
    assert (queue.live, queue.model.live, queue.states()[row.uri]) == (before, served, "HELD disk_full")
    monkeypatch.undo()
    queue.ledger.amend(queue.ledger.rows.get(row.swap_id), next_try=0.0)
    queue.turn()
    assert queue.live.uri == row.uri


class Refusing:
    """A connection whose disk is full once `commits` have gone through: it says what SQLite says."""

    def __init__(self, database: Any, commits: int) -> None:
        self.database = database
        self.left = commits

    def __getattr__(self, name: str) -> Any:
        return getattr(self.database, name)

    def execute(self, sql: str, *values: Any) -> Any:
        if sql == "COMMIT":
            self.left -= 1
            if self.left < 0:
                raise sqlite3.OperationalError("database or disk is full")
        return self.database.execute(sql, *values)


@pytest.mark.parametrize("commits", range(8))
def test_whichever_commit_fails_a_restart_serves_the_same(queue: Queue, commits: int) -> None:
    """At each write of a swap: the pointer, the resident and the next process name the same generation."""
    row = offer(queue, "a", b"a" * 1000)
    file: Any = queue.ledger._file
    file._database = Refusing(file._database, commits)
    with contextlib.suppress(LedgerDown):
        queue.candidates.run(row, queue.worker, pinned=False)
    served = queue.model.live
    assert queue.live.digest == served == queue.pointer()["digest"]
    queue.restart()
    assert queue.live.digest == served
    queue.settle()
    assert queue.live.uri == row.uri
    assert len(queue.live_rows()) == 1


def test_a_lost_resident_ends_the_worker(queue: Queue) -> None:
    """Nobody knows what the device holds: no other candidate is tried, and the attempt counts as a death."""
    row = offer(queue, "a")

    def lost() -> None:
        raise ResidentLost("the device does not answer any more")

    queue.model.before_verify = lost
    with pytest.raises(ResidentLost):
        queue.turn()
    queue.restart()
    assert queue.ledger.attempts.deaths(row.digest, SWAP)[0] == 1


def test_a_defect_in_a_step_costs_only_the_candidate(queue: Queue) -> None:
    """An error that nobody foresaw ends this try, names itself, and leaves what is live."""

    def defect() -> None:
        raise ZeroDivisionError("division by zero")

    queue.model.before_verify = defect
    row = offer(queue, "a")
    queue.turn()
    ended = queue.ledger.rows.get(row.swap_id)
    assert (ended.state, ended.reason, queue.live.number) == ("ROLLED_BACK", "internal_error", 1)
    assert "ZeroDivisionError" in ended.detail


def test_a_sticky_device_error_is_a_lost_resident(queue: Queue, engine_kind: str) -> None:
    """Every later call on the device would fail too."""
    if engine_kind != "resident":
        return  # what a device's errors mean is the business of the engine in this process

    def sticky() -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    queue.model.before_verify = sticky
    offer(queue, "a")
    with pytest.raises(ResidentLost):
        queue.turn()


def test_out_of_memory_says_what_to_lower(queue: Queue) -> None:
    """The candidate is rolled back, the daemon goes on."""

    def out_of_memory() -> None:
        raise MemoryError

    queue.model.before_verify = out_of_memory
    row = offer(queue, "a")
    queue.turn()
    ended = queue.ledger.rows.get(row.swap_id)
    assert (ended.state, ended.reason) == ("ROLLED_BACK", "out_of_memory")
    assert "lower serve.cache_tokens or serve.berths" in ended.detail
