"""One candidate's way from the store to live, on the worker's thread. `live.going_live` says what a death leaves."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import structlog

from hotswapd.daemon.answers import VerifyStatus
from hotswapd.daemon.channels.channels import Channels
from hotswapd.daemon.config.policy import Policy
from hotswapd.daemon.engines.protocol import Engine, Staged, Subject, decide
from hotswapd.daemon.host.failpoints import failpoint
from hotswapd.daemon.ledger.attempts import SWAP
from hotswapd.daemon.ledger.ledger import Ledger, LedgerDown, Overtaken
from hotswapd.daemon.ledger.reasons import Reason
from hotswapd.daemon.ledger.rows import Row
from hotswapd.daemon.ledger.states import State
from hotswapd.daemon.live.going_live import Change
from hotswapd.daemon.live.together import Together
from hotswapd.loaders.store.store import Store
from hotswapd.swap.codes import ConfigCode
from hotswapd.swap.errors import ResidentLost
from hotswapd.swap.gates.spec import Progress

from .ahead import Ahead
from .attempt import Attempt, Ending, Pauses, Preparing, explain
from .reading import reading
from .sets import Sets

T = TypeVar("T")

log = structlog.get_logger(__name__)
_DEATHS = 2
_BERTH_WAIT, _STORE_WAIT = 0.2, 5.0
_UNREADABLE_TRIES = 3
"""Tries to read a copy in the store; after that it is fetched again, if its source still has it."""
_USUAL = 8
"""Generations whose norms count as usual."""
_PINNED_SENTENCE = "it is verified, and the live generation is pinned; `hotswapd unpin` lets it go live"


class Candidates:
    """Tries candidates. For the worker's thread, except `under_way`; raises ResidentLost, LedgerDown or Overtaken."""

    def __init__(
        self,
        engine: Engine,
        ledger: Ledger,
        store: Store,
        policy: Policy,
        channels: Channels,
        on_step: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`on_step` is called with the name of each step that may take long, before it: admit, stage, verify."""
        self.under_way: VerifyStatus | None = None
        """How far a verification is, in the words of ``GET /status``; None between two. Legal on any thread."""
        self.ahead = Ahead(engine, ledger, store)
        """The candidate after the one that is tried, if it is staged already."""
        self._engine = engine
        self._ledger = ledger
        self._store = store
        self._policy = policy
        self._channels = channels
        self._on_step = on_step
        self.sets = Sets(self, channels, ledger, Together(engine, ledger, store), engine.drop)

    def run(self, row: Row, pauses: Pauses, *, pinned: bool) -> Row:
        """Try a candidate that is in the store, with all of its set if it is a member of one; return its row."""
        live = self._channels.of(row.channel).live.now
        if row.digest == live.digest and not row.forced:
            row = self.again(row)
            self._ledger.pass_by(row, Reason.ALREADY_LIVE, f"these bytes are live already, as generation {live.number}")
            return self._ledger.rows.get(row.swap_id)
        if row.together and row.digest != live.digest:
            self.sets.run(row, pauses)
            return self._ledger.rows.get(row.swap_id)
        row = self.again(row)
        known = self.known_verdict(row)
        return self.end(row, known) if known else self._try(row, pauses, pinned=pinned)

    def again(self, row: Row) -> Row:
        """Begin with a row that is in the store, however far it had come."""
        return row if row.state == State.FETCHED else self._ledger.move(row, State.FETCHED, Reason.AGAIN)

    def prepare(self, pauses: Pauses) -> bool:
        """Do in advance what the next candidate would wait for; return whether there was anything to do."""
        return self._engine.prepare(Preparing(pauses))

    def known_verdict(self, row: Row) -> Ending | None:
        """Return how these bytes must end if that is known without trying them; None if they must be tried."""
        if row.forced:
            self._ledger.attempts.end(row.digest, SWAP, row.channel, forget=True)
            return None
        if self._channels.of(row.channel).rollouts.is_beside(row.digest):
            return Ending(State.SUPERSEDED, Reason.ALREADY_CANARY, "these bytes are the canary already")
        deaths, stage = self._ledger.attempts.deaths(row.digest, SWAP, row.channel)
        if deaths >= _DEATHS:
            remedy = "`hotswapd submit --again` tries it once more"
            sentence = f"the process died {deaths} times in {stage}; {remedy}"
            return Ending(State.QUARANTINED, Reason.PROCESS_DIED, sentence)
        before = self._ledger.rows.verdict(row.digest, self._policy.of(row.channel), row.channel)
        return Ending(before.state, before.reason, before.detail) if before else None

    def _try(self, row: Row, pauses: Pauses, *, pinned: bool) -> Row:
        row, found = self.verified(row, pauses)
        ending = found if isinstance(found, Ending) else self._settled(row, found, pinned=pinned)
        if ending is None:
            return self._ledger.rows.get(row.swap_id)
        self._ledger.attempts.end(row.digest, SWAP, row.channel)
        return self.end(row, ending)

    def verified(self, row: Row, pauses: Pauses) -> tuple[Row, Staged | Ending]:
        """Admit, stage and verify it; return its row as it is now, and what the caller must drop, or how it ended."""
        attempt = Attempt(self._ledger, replace(row, verify=()), self._on_step, pauses, self._show)
        found = self.explained(lambda: self._attempt(attempt))
        return attempt.row, found

    def explained(self, run: Callable[[], T]) -> T | Ending:
        """Do it, and turn what it raises into an ending, unless that concerns more than one candidate."""
        try:
            return run()
        except (ResidentLost, LedgerDown, Overtaken):
            raise
        except Exception as error:  # noqa: BLE001 - whatever a candidate does, the next one gets its turn
            ending = explain(error)
            if ending.reason == Reason.INTERNAL_ERROR and self._engine.is_lost(error):
                raise ResidentLost("the device does not answer any more") from None
            return ending

    def _settled(self, row: Row, staged: Staged, *, pinned: bool) -> Ending | None:
        try:
            return self.explained(lambda: self._settle(row, staged, pinned=pinned))
        finally:
            self._engine.drop(staged)

    def _attempt(self, attempt: Attempt) -> Staged | Ending:
        """Return it staged and verified, or that its copy was lost."""
        row = attempt.row
        artifact = self._store.find(row.digest)
        if artifact is None or row.tries >= _UNREADABLE_TRIES:
            what = "is gone" if artifact is None else "cannot be read"
            return Ending(State.WAITING, Reason.ARTIFACT_LOST, f"its copy in the store {what}; it is fetched again")
        with reading(artifact.path), attempt.step("admit", State.ADMITTED, "staging"):
            admitted = self._engine.admit(artifact.path, row.digest)
        staged = None
        try:
            with reading(artifact.path), attempt.step("stage", State.STAGED, "verification"):
                staged = self.ahead.take(admitted, attempt)
            with attempt.step("verify", State.VERIFIED):
                self._verify(attempt, staged, artifact.path)
        except BaseException:
            if staged is not None:
                self._engine.drop(staged)
            raise
        return staged

    def _verify(self, attempt: Attempt, staged: Staged, directory: Path) -> None:
        """Run the gates. Raises RolledBack if one fails."""
        row = attempt.row
        replay = self._channels.of(row.channel).watch.sample.answers()
        subject = Subject(row.uri, directory, self._usual_norms(row.channel), row.channel, replay)
        self.under_way = {
            "swap_id": row.swap_id,
            "channel": row.channel,
            "uri": row.uri,
            "gate": "",
            "done": 0,
            "total": 0,
        }
        try:
            decide(self._engine.verify(staged, subject, attempt))
        finally:
            self.under_way = None

    def _settle(self, row: Row, staged: Staged, *, pinned: bool) -> Ending | None:
        """Give a verified candidate its place: live, beside the live one, or held while that is pinned."""
        channel = self._channels.of(row.channel)
        if pinned or self._ledger.flags.pinned(row.channel):  # someone may have pinned it meanwhile
            return Ending(State.HELD, Reason.PINNED, _PINNED_SENTENCE)
        if channel.rollouts.takes():
            channel.rollouts.begin(row, staged)
            return None
        self._ledger.attempts.begin(row.digest, SWAP, "commit", row.channel)
        channel.live.go_live(Change(channel.live.next_number(), row, row.digest), staged)
        return None

    def _show(self, progress: Progress) -> None:
        now = self.under_way
        if now is not None:
            self.under_way = {**now, "gate": progress.gate, "done": progress.done, "total": progress.total}

    def _usual_norms(self, channel: str) -> list[float]:
        """Read the update norms of a channel's last generations that were not rolled back from."""
        found: list[float] = []
        for generation in self._ledger.generations.newest(_USUAL, channel, good=True):
            with suppress(KeyError):  # the ledger was lost: only the pointer knows this generation
                verdicts = self._ledger.rows.get(generation.swap_id).verify
                found += [norm for one in verdicts if (norm := one["numbers"].get("update_norm"))]
        return found

    def end(self, row: Row, ending: Ending) -> Row:
        """Write how a try ended."""
        failpoint("verdict")
        fields: dict[str, Any] = {}
        if ending.state == State.REJECTED and ending.reason != ConfigCode.BASE_DIFFERS:  # which is not of these bytes
            fields["fingerprint"] = self._policy.of(row.channel)
        if ending.state == State.HELD and ending.reason not in (Reason.PINNED, Reason.PAUSED):
            fields["next_try"] = time.time() + (_BERTH_WAIT if ending.reason == Reason.NO_BERTH else _STORE_WAIT)
        if ending.reason == Reason.STORE_UNREADABLE:
            fields["tries"] = row.tries + 1
        if ending.state == State.WAITING:
            fields |= {"tries": row.tries + 1, "forced": True, "next_try": time.time()}
        return self._ledger.move(row, ending.state, ending.reason, ending.detail, **fields)
