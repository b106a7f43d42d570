"""One candidate's way from the store to live, on the worker's thread.

The order, and what a death of the process at each point leaves:

1. each step is written to the ledger before the next begins: a restart tries the candidate again from the store;
2. before the device is touched an attempt is written: one that is still open at the next start counts as a death,
   and the second death puts these bytes into quarantine;
3. the candidate is verified, and copied into the arena: no request has seen it, the pointer names what was live;
4. the pointer is written inside the ledger's transaction: a restart serves what the pointer names and corrects the
   ledger by it;
5. only then do new requests go to it: so whatever a client was ever told is live is live after a restart.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import structlog
import torch

from hotswapd.daemon.gates.verification import Verification
from hotswapd.daemon.host.failpoints import failpoint
from hotswapd.daemon.ledger.attempts import SWAP
from hotswapd.daemon.ledger.generation import Generation
from hotswapd.daemon.ledger.ledger import RETIRES, Ledger, LedgerDown, Left, Overtaken
from hotswapd.daemon.ledger.reasons import NO_LANE, PAUSED, PINNED
from hotswapd.daemon.ledger.rows import Row
from hotswapd.daemon.ledger.states import State
from hotswapd.daemon.report.verdicts import record
from hotswapd.daemon.rollout.rollouts import Rollouts
from hotswapd.loaders.errors import Unavailable
from hotswapd.loaders.store.store import Store
from hotswapd.swap.arena.image import Image
from hotswapd.swap.arena.pace import Pace
from hotswapd.swap.engine import Engine
from hotswapd.swap.errors import NoImage, Rejected, ResidentLost, RolledBack
from hotswapd.swap.failures import is_sticky
from hotswapd.swap.gates.spec import Verdict
from hotswapd.swap.gates.turns import Interrupted
from hotswapd.swap.lanes.lanes import NoLane

from .reading import OUT_OF_MEMORY, STORE_UNREADABLE
from .reading import reading as _reading

log = structlog.get_logger(__name__)
_DEATHS = 2
_LANE_WAIT, _STORE_WAIT = 0.2, 5.0
_UNREADABLE_TRIES = 3
"""So often is a copy read that cannot be read; then it is fetched again, where its source has it still."""
_NO_LANE_SENTENCE = "every lane still has requests of an older generation; it is tried again as soon as one ends"
_PINNED_SENTENCE = "it is verified, and the live generation is pinned; `hotswapd unpin` lets it go live"


@dataclass(frozen=True, slots=True)
class Ending:
    """How a try ended, in plain strings: no exception, and so no tensor, outlives the try."""

    state: State
    reason: str = ""
    detail: str = ""


class Pipeline:
    """Every method is for the worker's thread, and raises ResidentLost, LedgerDown or Overtaken."""

    def __init__(
        self,
        engine: Engine,
        ledger: Ledger,
        store: Store,
        fingerprint: str,
        *,
        live: Generation,
        on_live: Callable[[Generation, float], None] = lambda *_: None,
        on_step: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`fingerprint` is that of contract and policy; `on_live` hears of each new live generation and its pause.

        `on_step` hears of each step that may take long, before it begins: admit, stage, verify, commit.
        """
        self.live = live
        self.verification: Verification | None = None
        """Every gate that is configured; without it candidates are only probed."""
        self.rollout: Rollouts | None = None
        """What puts a verified candidate beside what is live; without it each takes its place at once."""
        self._engine = engine
        self.resident = engine.resident
        self._ledger = ledger
        self._store = store
        self.fingerprint = fingerprint
        self._on_live = on_live
        self._on_step = on_step

    def run(self, row: Row, *, pinned: bool) -> Row:
        """Try a candidate that is in the store, and return its row as it is then."""
        if row.state != State.FETCHED:
            row = self._ledger.move(row, State.FETCHED, "again")
        if row.digest == self.live.digest and not row.forced:
            why = f"these bytes are live already, as generation {self.live.number}"
            self._ledger.pass_by(row, "already_live", why)
            return self._ledger.rows.get(row.swap_id)
        known = self._known_verdict(row)
        return self._end(row, known) if known else self._try(row, pinned=pinned)

    def prepare(self) -> bool:
        """Do what the next candidate would wait for; return whether there was something to do."""
        return self.verification is not None and self.verification.prepare()

    def _known_verdict(self, row: Row) -> Ending | None:
        """Find out without touching anything that these bytes will not go live."""
        if row.forced:
            self._ledger.attempts.end(row.digest, SWAP, forget=True)
            return None
        if self.rollout is not None and self.rollout.is_canary(row.digest):
            return Ending(State.SUPERSEDED, "already_canary", "these bytes are the canary already")
        deaths, stage = self._ledger.attempts.deaths(row.digest, SWAP)
        if deaths >= _DEATHS:
            remedy = "`hotswapd submit --again` tries it once more"
            return Ending(State.QUARANTINED, "process_died", f"the process died {deaths} times in {stage}; {remedy}")
        before = self._ledger.rows.verdict(row.digest, self.fingerprint)
        return Ending(before.state, before.reason, before.detail) if before else None

    def _try(self, row: Row, *, pinned: bool) -> Row:
        progress = _Progress(self._ledger, replace(row, verify=()), self._on_step)
        try:
            ending = self._attempt(progress, pinned=pinned)
        except (ResidentLost, LedgerDown, Overtaken):
            raise
        except Exception as error:  # noqa: BLE001 - whatever a candidate does, the next one gets its turn
            ending = self._explain(error)
        if ending is None:
            return self._ledger.rows.get(row.swap_id)
        self._ledger.attempts.end(row.digest, SWAP)
        return self._end(progress.row, ending)

    def _attempt(self, progress: "_Progress", *, pinned: bool) -> Ending | None:
        """Bring it live, or beside what is live, or say why not; None when it is there."""
        row = progress.row
        artifact = self._store.find(row.digest)
        if artifact is None or row.tries >= _UNREADABLE_TRIES:
            what = "is gone" if artifact is None else "cannot be read"
            return Ending(State.WAITING, "artifact_lost", f"its copy in the store {what}; it is fetched again")
        with _reading(artifact.path), progress.step("admit", State.ADMITTED):
            plan = self.resident.admit(artifact.path)
        self._ledger.attempts.begin(row.digest, SWAP, "staging")
        with _reading(artifact.path), progress.step("stage", State.STAGED):
            image = self.resident.stage(plan, row.digest, Pace(self._engine.busy))
        try:
            self._ledger.attempts.begin(row.digest, SWAP, "verification")
            with progress.step("verify", State.VERIFIED):
                self._verify(progress, image, artifact.path)
            if pinned or self._ledger.flags.pinned:  # it may have been pinned meanwhile
                return Ending(State.HELD, PINNED, _PINNED_SENTENCE)
            if self.rollout is not None and self.rollout.takes():
                self.rollout.begin(progress.row, image)
                return None
            self._ledger.attempts.begin(row.digest, SWAP, "commit")
            self.commit(lambda: progress.row, image, self._ledger.generations.next_number())
        finally:
            self.resident.drop(image)
        return None

    def _verify(self, progress: "_Progress", image: Image, directory: Path) -> None:
        if self.verification is None:
            self.resident.verify(image)
        else:
            self.verification.run(progress.row, image, directory, progress.note)

    def on_device(self, number: int) -> Image | None:
        """Find a generation's image on the device, and hold it for the caller, who must `drop` it."""
        resident = self.resident
        image = resident.base_image if number == 0 else self._engine.lanes.image(number) or resident.pool.kept(number)
        if image is not None:
            resident.hold(image)
        return image

    def commit(self, make_row: Callable[[], Row], image: Image, number: int, left: Left = RETIRES) -> Generation:
        """Make a verified image live as this generation, durably. Raises NoLane; what was live is live then.

        `make_row` gives its row, within the transaction that makes it live.
        """
        self._on_step("commit")
        if self.rollout is not None:
            self.rollout.give_way(number)
        committed: list[Generation] = []

        def seat(candidate: Image) -> None:
            self._engine.lanes.make_room(candidate)
            failpoint("seat")
            with self._pointing(), self._ledger.together():
                row = make_row()
                at = Generation(number, row.uri, row.revision, row.digest, time.time(), row.swap_id, row.stamp)
                self._ledger.attempts.end(row.digest, SWAP, forget=True)
                with self._ledger.going_live(row, at, left):
                    self._store.point(at.record())
                failpoint("pointed")
            failpoint("committed")
            self._engine.lanes.go_live(candidate)
            committed.append(at)

        self.resident.seat = seat
        pause = self.resident.commit(image, number)
        before, (self.live,) = self.live, committed
        if left.state == State.ROLLED_BACK:
            self._engine.lanes.withdraw(before.number)
        self._on_live(self.live, pause)
        failpoint("live")
        self._note_pause(self.live.swap_id, pause)
        return self.live

    @contextmanager
    def _pointing(self) -> Iterator[None]:
        """Make the pointer name again what it named when the ledger did not take what it was moved for."""
        before = self._store.pointer()
        try:
            yield
        except BaseException:
            if self._store.pointer() != before:
                try:
                    self._store.point(before or self.live.record())
                except Unavailable as error:
                    log.error("pointer_is_ahead", detail=error.sentence)  # noqa: TRY400 - the sentence says it
            raise

    def _note_pause(self, swap_id: str, pause: float) -> None:
        try:
            row = self._ledger.rows.get(swap_id)
            self._ledger.amend(row, seconds=row.seconds | {"pause": pause})
        except LedgerDown as error:
            log.warning("pause_not_recorded", detail=str(error))  # it is live, whatever cannot be written now

    def _explain(self, error: Exception) -> Ending:
        """Say what became of the candidate. Raises ResidentLost when the device is beyond use."""
        match error:
            case Rejected():
                return Ending(State.REJECTED, error.code, error.summary())
            case RolledBack():
                return Ending(State.ROLLED_BACK, error.code, error.sentence)
            case NoImage() | NoLane():
                return Ending(State.HELD, NO_LANE, _NO_LANE_SENTENCE)
            case Unavailable():
                return Ending(State.HELD, error.code, error.sentence)
            case Interrupted():
                return Ending(State.HELD if error.reason == PAUSED else State.FETCHED, error.reason, error.sentence)
            case torch.cuda.OutOfMemoryError() | MemoryError():
                detail = "there was not enough memory to try it; lower serve.cache_tokens or serve.lanes"
                return Ending(State.ROLLED_BACK, OUT_OF_MEMORY, detail)
        log.error("swap_failed", exc_info=error)
        if is_sticky(error):
            raise ResidentLost("the device does not answer any more") from None
        return Ending(State.ROLLED_BACK, "internal_error", f"a defect of hotswapd: {type(error).__name__}: {error}")

    def _end(self, row: Row, ending: Ending) -> Row:
        failpoint("verdict")
        fields: dict[str, Any] = {}
        if ending.state == State.REJECTED:
            fields["fingerprint"] = self.fingerprint
        if ending.state == State.HELD and ending.reason not in (PINNED, PAUSED):
            fields["next_try"] = time.time() + (_LANE_WAIT if ending.reason == NO_LANE else _STORE_WAIT)
        if ending.reason == STORE_UNREADABLE:
            fields["tries"] = row.tries + 1
        if ending.state == State.WAITING:
            fields |= {"tries": row.tries + 1, "forced": True, "next_try": time.time()}
        return self._ledger.move(row, ending.state, ending.reason, ending.detail, **fields)


class _Progress:
    """The row of one try, and the seconds of its steps."""

    def __init__(self, ledger: Ledger, row: Row, on_step: Callable[[str], None]) -> None:
        self._ledger = ledger
        self._on_step = on_step
        self.row = row

    def note(self, verdict: Verdict) -> None:
        """Take a gate's verdict into the row; it is written with the next change of state."""
        self.row = replace(self.row, verify=(*self.row.verify, record(verdict)))

    @contextmanager
    def step(self, stage: str, state: State) -> Iterator[None]:
        """Time a step and record that it is done; how long a failed one took is kept too."""
        began = time.perf_counter()
        try:
            self._on_step(stage)
            yield
        except BaseException:
            self.row = replace(self.row, seconds=self.row.seconds | {stage: time.perf_counter() - began})
            raise
        seconds = self.row.seconds | {stage: time.perf_counter() - began}
        self.row = self._ledger.move(self.row, state, seconds=seconds)
