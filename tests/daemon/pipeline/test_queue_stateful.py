"""Whatever comes in whatever order: nothing is lost, at most one is live, and only what is new goes live."""

import os
import sqlite3
from collections import Counter
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from kits.queues import BAD, SICK, Queue

from hotswapd.daemon.errors import Conflict
from hotswapd.daemon.ledger.rows import OPERATOR
from hotswapd.daemon.ledger.states import OPEN, TRANSITIONS, State

pytestmark = pytest.mark.slow

SOURCES = st.sampled_from("ab")
NAMES = st.sampled_from(["x", "y", "z"])
CONTENTS = st.sampled_from([b"1", b"2", b"3", b"4", BAD + b"1", BAD + b"2", SICK + b"1"])
JUSTIFIED = {"unchanged", "already_live", "older_than_live"}
"""Why something may be superseded although nothing newer went live."""


class Died(BaseException):
    """The process ends here: nothing of it catches this."""


class QueueMachine(RuleBasedStateMachine):
    """Two sources, an operator, a disk and a model that do what they like; the daemon's rules must hold."""

    KIND = "resident"

    def __init__(self) -> None:
        super().__init__()
        self.queue = Queue("a", "b", kind=self.KIND)
        self.written: dict[str, bytes] = {}
        self.changes: Counter[str] = Counter()

    # The sources

    @rule(source=SOURCES, name=NAMES, content=CONTENTS, whole=st.booleans(), age=st.integers(0, 5))
    def drop(self, source: str, name: str, content: bytes, whole: bool, age: int) -> None:
        stamp = self.queue.clock.now - age
        uri = self.queue.places[source].put(name, content, code="" if whole else "incomplete", stamp=stamp)
        if self.written.get(uri) != content:
            self.changes[uri] += 1
        self.written[uri] = content

    @rule(source=SOURCES)
    def touch_all(self, source: str) -> None:
        place = self.queue.places[source]
        for uri in sorted(place.there):
            place.touch(uri)

    @rule(source=SOURCES, name=NAMES)
    def delete(self, source: str, name: str) -> None:
        self.queue.places[source].there.pop(f"file:///{source}/{name}", None)

    @rule(source=SOURCES)
    def scan(self, source: str) -> None:
        self.queue.scan(source)
        seen = {row.uri for row in self.queue.ledger.rows.history(10_000)}
        assert set(self.queue.places[source].there) <= seen, "a sighting was lost"

    @rule(source=SOURCES)
    def cannot_look(self, source: str) -> None:
        self.queue.inbox.scanned(source, None)

    @rule(source=SOURCES)
    def fetch(self, source: str) -> None:
        self.queue.fetch(source)

    @rule(seconds=st.sampled_from([1.0, 400.0]))
    def time_passes(self, seconds: float) -> None:
        self.queue.clock.now += seconds

    # The worker

    @rule()
    def turn(self) -> None:
        held = self._flag("paused") or self._flag("pinned")
        before = self.queue.live
        self.queue.turn()
        assert not held or self.queue.live == before, "it went live though the queue was paused or pinned"

    @rule(full=st.booleans())
    def berths(self, full: bool) -> None:
        self.queue.model.full = full

    @rule()
    def die_in_verification(self) -> None:
        def die() -> None:
            raise Died

        self.queue.model.before_verify = die
        with suppress(Died):
            self.queue.turn()
        self.queue.model.before_verify = lambda: None
        self.queue.restart()

    @rule(late=st.sampled_from(["", "a", "b"]), tolerant=st.booleans())
    def restart(self, late: str, tolerant: bool) -> None:
        """Also with a contract that takes what was refused; what is live fits either, as it has been verified."""
        live = self.queue.live
        self.queue.model.tolerant = tolerant
        self.queue.restart(late, fingerprint="tolerant" if tolerant else "strict")
        assert self.queue.live == live, "a restart has changed what is served"

    # The operator

    @rule(number=st.none() | st.integers(0, 4), follow=st.booleans())
    def roll_back(self, number: int | None, follow: bool) -> None:
        with suppress(Conflict):
            self.queue.ask(self.queue.acts.roll_back, self.queue.default, number, follow=follow)

    @rule(number=st.none() | st.integers(0, 4))
    def pin(self, number: int | None) -> None:
        with suppress(Conflict):
            self.queue.ask(self.queue.acts.pin, self.queue.default, number)

    @rule(flag=st.sampled_from(["pinned", "paused"]))
    def let_go(self, flag: str) -> None:
        self.queue.ledger.flags.set(flag, value=False)

    @precondition(lambda self: not self._flag("paused"))
    @rule()
    def pause(self) -> None:
        self.queue.ledger.flags.set("paused", value=True)

    # What must hold after each step

    @invariant()
    def one_thing_is_live_and_all_agree_which(self) -> None:
        live = self.queue.live
        rows = self.queue.live_rows()
        assert [row.swap_id for row in rows] == ([live.swap_id] if live.swap_id else [])
        pointer = self.queue.store.pointer()
        assert pointer == (live.record() if live.swap_id else None)
        assert not rows or not rows[0].uri or not self._content(live.digest).startswith(SICK)

    @invariant()
    def nothing_older_than_what_went_live_is_a_candidate(self) -> None:
        water = self.queue.ledger.flags.get("high_water", 0)
        assert all(row.seq > water for row in self.queue.ledger.rows.history(10_000) if row.state in OPEN)

    @invariant()
    def an_address_goes_live_at_most_once_for_each_change_of_its_bytes(self) -> None:
        went = Counter(
            row.uri
            for row in self.queue.ledger.rows.history(10_000)
            if row.source != OPERATOR and row.generation is not None
        )
        assert all(count <= self.changes[uri] for uri, count in went.items())

    def teardown(self) -> None:
        """Let everything come to rest: each row has ended, and for a reason."""
        self._rest()
        rows = self.queue.ledger.rows.history(10_000)
        assert [row for row in rows if row.state in OPEN] == []
        newest = self.queue.ledger.flags.get("high_water", 0)  # of what is live: also when it was only sighted again
        newer = [row for row in rows if row.seq > newest and row.source != OPERATOR]
        assert all(row.state != State.SUPERSEDED or row.reason in JUSTIFIED for row in newer)
        self._check_the_stories()
        self.queue.ledger.close()

    def _rest(self) -> None:
        queue = self.queue
        queue.model.full = False
        for flag in ("pinned", "paused"):
            queue.ledger.flags.set(flag, value=False)
        for place in queue.places.values():
            for there in place.there.values():
                there.waiting = None
        queue.settle()
        while queue.ledger.rows.stored(1):
            for turn in queue.ledger.rows.stored():
                queue.ledger.amend(queue.ledger.rows.get(turn.swap_id), next_try=0.0)
            queue.settle()

    def _check_the_stories(self) -> None:
        with sqlite3.connect(self.queue.ledger.path) as database:
            events = database.execute("SELECT swap_id, state FROM events ORDER BY id").fetchall()
        last: dict[str, State] = {}
        for swap_id, state in events:
            if swap_id in last:
                assert State(state) in TRANSITIONS[last[swap_id]], f"{last[swap_id]} became {state}"
            last[swap_id] = State(state)

    def _flag(self, name: str) -> bool:
        return bool(self.queue.ledger.flags.get(name, False))

    def _content(self, digest: str) -> bytes:
        artifact = self.queue.store.find(digest)
        assert artifact is not None, "what is live is not in the store"
        return (artifact.path / "adapter_model.safetensors").read_bytes()


class FakeMachine(QueueMachine):
    """The same on an engine that is not the one in this process."""

    KIND = "fake"


TestQueue = QueueMachine.TestCase
TestQueueOnAnotherEngine = FakeMachine.TestCase
TestQueue.settings = TestQueueOnAnotherEngine.settings = settings(
    max_examples=int(os.environ.get("HOTSWAPD_TEST_QUEUES", "60")),
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
