"""One candidate's way from the store to live, on the worker's thread. `live.going_live` says what a death leaves."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import structlog

from hotswapd.daemon.answers import VerifyStatus
from hotswapd.daemon.channels.channels import Channels
from hotswapd.daemon.config.policy import Policy
from hotswapd.daemon.engines.protocol import Engine, NoRoom, Patient, Staged, Subject, decide
from hotswapd.daemon.host.failpoints import failpoint
from hotswapd.daemon.ledger.attempts import SWAP
from hotswapd.daemon.ledger.ledger import Ledger, LedgerDown, Overtaken
from hotswapd.daemon.ledger.reasons import Reason
from hotswapd.daemon.ledger.rows import Row
from hotswapd.daemon.ledger.states import State
from hotswapd.daemon.live.going_live import Change
from hotswapd.daemon.report.verdicts import log_verdict, record
from hotswapd.loaders.errors import Unavailable
from hotswapd.loaders.store.store import Store
from hotswapd.swap.codes import ConfigCode
from hotswapd.swap.errors import Interrupted, Rejected, ResidentLost, RolledBack
from hotswapd.swap.gates.spec import Progress, Verdict

from .ahead import Ahead
from .reading import reading

log = structlog.get_logger(__name__)
_DEATHS = 2
_BERTH_WAIT, _STORE_WAIT = 0.2, 5.0
_UNREADABLE_TRIES = 3
"""Tries to read a copy in the store; after that it is fetched again, if its source still has it."""
_USUAL = 8
"""Generations whose norms count as usual."""
_NO_BERTH_SENTENCE = "every berth is in use; it is tried again as soon as one is free"
_PINNED_SENTENCE = "it is verified, and the live generation is pinned; `hotswapd unpin` lets it go live"
_OUT_OF_MEMORY = "there was not enough memory to try it; lower serve.cache_tokens or serve.berths"


class Pauses(Protocol):
    """How a long step gives way to urgent work; both methods may raise Interrupted. The worker is one."""

    def give_way(self, channel: str = "") -> None:
        """Do urgent work, between two pieces of a step for this channel."""
        ...

    def rest(self, seconds: float, channel: str = "") -> None:
        """Wait, and do urgent work meanwhile."""
        ...


@dataclass(frozen=True, slots=True)
class Ending:
    """How a try ended, in plain strings: no exception outlives the try, and so no tensor does."""

    state: State
    reason: str = ""
    detail: str = ""


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

    def run(self, row: Row, pauses: Pauses, *, pinned: bool) -> Row:
        """Try a candidate that is in the store, and return its row afterwards."""
        if row.state != State.FETCHED:
            row = self._ledger.move(row, State.FETCHED, Reason.AGAIN)
        live = self._channels.of(row.channel).live.now
        if row.digest == live.digest and not row.forced:
            self._ledger.pass_by(row, Reason.ALREADY_LIVE, f"these bytes are live already, as generation {live.number}")
            return self._ledger.rows.get(row.swap_id)
        known = self._known_verdict(row)
        return self._end(row, known) if known else self._try(row, pauses, pinned=pinned)

    def prepare(self, pauses: Pauses) -> bool:
        """Do in advance what the next candidate would wait for; return whether there was anything to do."""
        return self._engine.prepare(_Preparing(pauses))

    def _known_verdict(self, row: Row) -> Ending | None:
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
        attempt = _Attempt(self._ledger, replace(row, verify=()), self._on_step, pauses, self._show)
        try:
            ending = self._attempt(attempt, pinned=pinned)
        except (ResidentLost, LedgerDown, Overtaken):
            raise
        except Exception as error:  # noqa: BLE001 - whatever a candidate does, the next one gets its turn
            ending = _explain(error)
            if ending.reason == Reason.INTERNAL_ERROR and self._engine.is_lost(error):
                raise ResidentLost("the device does not answer any more") from None
        if ending is None:
            return self._ledger.rows.get(row.swap_id)
        self._ledger.attempts.end(row.digest, SWAP, row.channel)
        return self._end(attempt.row, ending)

    def _attempt(self, attempt: "_Attempt", *, pinned: bool) -> Ending | None:
        """Make it live, or put it beside the live one, and return None; otherwise return how it ended."""
        row = attempt.row
        artifact = self._store.find(row.digest)
        if artifact is None or row.tries >= _UNREADABLE_TRIES:
            what = "is gone" if artifact is None else "cannot be read"
            return Ending(State.WAITING, Reason.ARTIFACT_LOST, f"its copy in the store {what}; it is fetched again")
        with reading(artifact.path), attempt.step("admit", State.ADMITTED):
            admitted = self._engine.admit(artifact.path, row.digest)
        self._ledger.attempts.begin(row.digest, SWAP, "staging", row.channel)
        with reading(artifact.path), attempt.step("stage", State.STAGED):
            staged = self.ahead.take(admitted, attempt)
        try:
            self._ledger.attempts.begin(row.digest, SWAP, "verification", row.channel)
            with attempt.step("verify", State.VERIFIED):
                self._verify(attempt, staged, artifact.path)
            return self._settle(attempt.row, staged, pinned=pinned)
        finally:
            self._engine.drop(staged)

    def _verify(self, attempt: "_Attempt", staged: Staged, directory: Path) -> None:
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

    def _end(self, row: Row, ending: Ending) -> Row:
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


def _explain(error: Exception) -> Ending:
    """Turn the error that ended a try into the ending that its row gets."""
    match error:
        case Rejected():
            return Ending(State.REJECTED, error.code, error.summary())
        case RolledBack():
            return Ending(State.ROLLED_BACK, error.code, error.sentence)
        case NoRoom():
            return Ending(State.HELD, Reason.NO_BERTH, _NO_BERTH_SENTENCE)
        case Unavailable():
            return Ending(State.HELD, error.code, error.sentence)
        case Interrupted():
            return Ending(State.HELD if error.reason == Reason.PAUSED else State.FETCHED, error.reason, error.sentence)
        case MemoryError():
            return Ending(State.ROLLED_BACK, Reason.OUT_OF_MEMORY, _OUT_OF_MEMORY)
    log.error("swap_failed", exc_info=error)
    return Ending(State.ROLLED_BACK, Reason.INTERNAL_ERROR, f"a defect of hotswapd: {type(error).__name__}: {error}")


class _Attempt:
    """One try: its row with the seconds of each step, and the `Caller` of the engine's long calls."""

    def __init__(
        self,
        ledger: Ledger,
        row: Row,
        on_step: Callable[[str], None],
        pauses: Pauses,
        show: Callable[[Progress], None],
    ) -> None:
        self.row = row
        self.progress = show
        self._pauses = pauses
        self._ledger = ledger
        self._on_step = on_step

    def give_way(self) -> None:
        """Do what is urgent. Raises Interrupted."""
        self._pauses.give_way(self.row.channel)

    def rest(self, seconds: float) -> None:
        """Wait, doing what is urgent meanwhile. Raises Interrupted."""
        self._pauses.rest(seconds, self.row.channel)

    def verdict(self, verdict: Verdict, member: str = "") -> None:
        """Add a gate's verdict to the row; the next change of state writes it."""
        found = record(verdict)
        if member:
            found["member"] = member
        self.row = replace(self.row, verify=(*self.row.verify, found))
        where = {"member": member} if member else {}
        log_verdict(verdict, uri=self.row.uri, digest=self.row.digest, **where)

    @contextmanager
    def step(self, stage: str, state: State) -> Iterator[None]:
        """Time a step, and record it once it is done; the seconds of a failed one are kept too."""
        began = time.perf_counter()
        try:
            self._on_step(stage)
            yield
        except BaseException:
            self.row = replace(self.row, seconds=self.row.seconds | {stage: time.perf_counter() - began})
            raise
        seconds = self.row.seconds | {stage: time.perf_counter() - began}
        self.row = self._ledger.move(self.row, state, seconds=seconds)


class _Preparing(Patient):
    """The `Caller` of a preparation: it gives way, and takes no notes, since there is no candidate."""

    def __init__(self, pauses: Pauses) -> None:
        self._pauses = pauses

    def give_way(self) -> None:
        """Do what is urgent. Raises Interrupted."""
        self._pauses.give_way()

    def rest(self, seconds: float) -> None:
        """Wait, doing what is urgent meanwhile. Raises Interrupted."""
        self._pauses.rest(seconds)
