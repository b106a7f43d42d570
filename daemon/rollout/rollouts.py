"""The rollout that is under way: a verified candidate beside what is live, until something decides.

The safe side wins: whatever comes between (a pin, a pause, a rollback, a restart) ends the canary, and what is live
stays live. Nothing of the split's counts outlives the process: a restart tries the candidate again from the first step.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import structlog

from hotswapd.daemon.config.rollout import Rollout
from hotswapd.daemon.errors import Conflict
from hotswapd.daemon.host.failpoints import failpoint
from hotswapd.daemon.ledger.attempts import SWAP
from hotswapd.daemon.ledger.generation import Generation
from hotswapd.daemon.ledger.ledger import Ledger
from hotswapd.daemon.ledger.reasons import CANARY_WORSE, PINNED
from hotswapd.daemon.ledger.rows import Row
from hotswapd.daemon.ledger.states import State
from hotswapd.daemon.report.verdicts import log_verdict, record
from hotswapd.loaders.errors import Unavailable
from hotswapd.swap.engine import Engine
from hotswapd.swap.gates.spec import Outcome, Verdict
from hotswapd.swap.lanes.lanes import NoLane

from .trial import CANARY, Action, Decision, Trial

if TYPE_CHECKING:
    from hotswapd.swap.arena.image import Image
    from hotswapd.swap.lanes.tickets import Ended

log = structlog.get_logger(__name__)
GATE = "canary"
_PAUSE = 30.0
"""Seconds that a canary which had to give way waits, so that what it gave way to gets its lane."""
_PINNED = "it was a canary when the live generation was pinned; `hotswapd unpin` lets it try again"
_INTERRUPTED = "what is live has changed while it was a canary; it begins again beside that"
Commit = Callable[[Callable[[], Row], "Image", int], Generation]


@dataclass(frozen=True, slots=True)
class _End:
    """How a candidate's time as a canary ends, until the ledger has it."""

    state: State
    reason: str
    detail: str
    fields: dict[str, Any]


@dataclass(slots=True)
class Rollouts:
    """`route`, `ended`, `status` and `number` are legal on any thread, the rest is for the worker's.

    `commit` makes an image live and `live` says what is; both are the pipeline's.
    """

    engine: Engine
    ledger: Ledger
    table: Rollout
    commit: Commit
    live: Callable[[], Generation]
    wake: Callable[[], None] = lambda: None
    trial: Trial | None = None
    _swap_id: str = ""
    _image: "Image | None" = None
    _decided: Decision | None = None
    _due: _End | None = None
    _notes: list[dict[str, Any]] = field(default_factory=list)

    # Any thread

    def route(self, key: str) -> tuple[int | None, str]:
        """Choose which generation answers a request, None for the live one, and the tag that counts it."""
        trial = self.trial
        if trial is None:
            return None, ""
        arm = trial.route(key)
        return (trial.canary if arm == CANARY else None), arm

    def ended(self, ended: "Ended") -> None:
        """Count a request; on a lane's thread."""
        trial = self.trial
        if trial is not None and ended.tag:
            trial.ended(ended)
            if ended.non_finite:
                self.wake()

    def scored(self, generation: int, score: float) -> bool:
        """Count feedback; False when the generation is in no rollout."""
        trial = self.trial
        return trial is not None and trial.scored(generation, score)

    def number(self) -> int | None:
        """Return the generation that is beside the live one, None when there is none."""
        trial = self.trial
        return None if trial is None else trial.canary

    def status(self) -> dict[str, Any] | None:
        """Say what runs; None when nothing does."""
        trial = self.trial
        return None if trial is None else trial.status()

    # The worker's thread

    @property
    def runs(self) -> bool:
        """Whether a rollout is under way, or has ended and the ledger does not know it yet."""
        return self.trial is not None or self._due is not None

    def takes(self) -> bool:
        """Say whether a verified candidate goes beside what is live instead of taking its place."""
        return self.table.mode != "replace"

    def leaves_alone(self, row: Row) -> bool:
        """Say whether this candidate has to wait: it is the canary itself, or one runs that nothing ends."""
        if not self.runs:
            return False
        return row.swap_id == self._swap_id or self.table.on_newer == "wait" or not self._swap_id

    def is_canary(self, digest: str) -> bool:
        """Say whether these very bytes are the canary."""
        return self.trial is not None and self._image is not None and self._image.digest == digest

    def begin(self, row: Row, image: "Image") -> None:
        """Put a verified candidate beside what is live; the one before, if any, is superseded. Raises NoLane."""
        if self.trial is not None:
            self.end(State.SUPERSEDED, "newer_canary", f"{row.uri} is newer, and was verified while it was a canary")
        if self._due is not None or not self.engine.lanes.room():
            raise NoLane("the canary before has requests still")
        self.ledger.attempts.begin(row.digest, SWAP, GATE)
        number = self.ledger.generations.next_number()
        at = Generation(number, row.uri, row.revision, row.digest, time.time(), row.swap_id, row.stamp)
        self.ledger.reserve(row, at)
        image.generation = number
        failpoint("canary")
        self._start(image, number, row.swap_id, self.table.shares, decides=self.table.mode == "canary")

    def compare(self, image: "Image", number: int, weight: float) -> None:
        """Put a generation that was live once beside what is live, until somebody decides. Raises Conflict."""
        if self.runs:
            raise Conflict("rollout_runs", "a rollout is under way; promote or stop it first")
        try:
            self._start(image, number, "", (weight,), decides=False)
        except NoLane as error:
            raise Conflict("no_lane", f"{error}; try again when one has ended, or raise serve.lanes") from None

    def look(self) -> None:
        """Do what is due. Raises ResidentLost or LedgerDown, after which the next look goes on."""
        if self._due is not None:
            self._write()
        if self.trial is None:
            return
        overtaken = self._overtaken(self.trial)
        if overtaken is not None:
            self.end(overtaken.state, overtaken.reason, overtaken.detail, **overtaken.fields)
            return
        self._decided = self._decided or self.trial.judge()
        if self._decided is not None:
            self._act(self.trial, self._decided)
        elif waits_for := self.trial.reminder():
            log.info("rollout_waits", canary=self.trial.canary, share=self.trial.share, waits_for=waits_for)

    def give_way(self, number: int) -> None:
        """End the canary because another generation, this one, goes live."""
        if self.trial is not None and self.trial.canary != number:
            ends = time.time() + _PAUSE
            self.end(State.HELD, "interrupted", _INTERRUPTED, next_try=ends)

    def end(self, state: State, reason: str, detail: str, **fields: Any) -> None:
        """Take the canary's requests away at once, then write what has become of it. Raises LedgerDown."""
        self._due = _End(state, reason, detail, fields)
        self._stop()
        self._write()

    def promote(self) -> Generation:
        """Make the canary live. Raises what the pipeline's `commit` raises; it stays a canary then."""
        trial, image = self.trial, self._image
        assert trial is not None
        assert image is not None
        live = self.commit(self._amend, image, trial.canary)
        failpoint("promoted")
        self._stop()
        self._swap_id, self._notes = "", []
        return live

    @property
    def by_hand(self) -> bool:
        """Whether an operator has put a generation beside the live one which is no candidate."""
        return self.trial is not None and not self._swap_id

    def close(self) -> None:
        """Take a generation away that an operator has put beside the live one."""
        self._stop()

    def halt(self) -> None:
        """Say, at a proper end of the process, that the canary has killed nobody; it is tried again after the start."""
        if self.trial is not None and self._image is not None:
            self.ledger.attempts.end(self._image.digest, SWAP)

    def _start(self, image: "Image", number: int, swap_id: str, shares: tuple[float, ...], *, decides: bool) -> None:
        self.engine.lanes.go_beside(image)
        self.engine.resident.hold(image)
        self._image, self._swap_id, self._decided, self._notes = image, swap_id, None, []
        self.trial = Trial(self.live().number, number, image.digest, self.table, shares, decides)
        log.info("rollout_begun", live=self.trial.live, canary=number, share=shares[0], digest=image.digest)

    def _stop(self) -> None:
        self.trial, image = None, self._image
        self.engine.lanes.leave_beside()
        self._image, self._decided = None, None
        if image is not None:
            self.engine.resident.release(image)

    def _overtaken(self, trial: Trial) -> _End | None:
        """Find out what has happened meanwhile that ends a canary."""
        if self.live().number != trial.live:
            return _End(State.HELD, "interrupted", _INTERRUPTED, {})
        if not self._swap_id:
            return None
        if self.ledger.rows.get(self._swap_id).state != State.VERIFIED:
            return _End(State.SUPERSEDED, "", "", {})  # it is written already; only its lane is still to be taken
        if self.ledger.flags.pinned:
            return _End(State.HELD, PINNED, _PINNED, {})
        return None

    def _act(self, trial: Trial, decision: Decision) -> None:
        failpoint(f"canary_{decision.action.value}")
        self._note(decision)
        match decision.action:
            case Action.DROP:
                remedy = "`hotswapd submit --again` takes these bytes once more"
                self.end(State.ROLLED_BACK, CANARY_WORSE, f"{decision.sentence}; {remedy}")
            case Action.STEP:
                self._decided = None
                self._amend()
                log.info("rollout_step", canary=trial.canary, share=trial.share)
            case Action.PROMOTE:
                self._try_to_promote()

    def _try_to_promote(self) -> None:
        try:
            self.promote()
        except (NoLane, Unavailable) as error:
            log.warning("promotion_waits", detail=str(error))

    def _note(self, decision: Decision) -> None:
        """Take a decision's numbers into the row, once."""
        bad = decision.action == Action.DROP
        code, outcome = (CANARY_WORSE, Outcome.FAILED) if bad else ("", Outcome.PASSED)
        verdict = Verdict(GATE, outcome, code, decision.sentence, decision.numbers)
        said = record(verdict)
        if said not in self._notes:
            self._notes.append(said)
            log_verdict(verdict, generation=self.number())

    def _amend(self) -> Row:
        row = self.ledger.rows.get(self._swap_id)
        fresh = tuple(note for note in self._notes if note not in row.verify)
        return self.ledger.amend(row, verify=(*row.verify, *fresh)) if fresh else row

    def _write(self) -> None:
        """Write how it ended, unless another thread has written an end of its own."""
        due = self._due
        assert due is not None
        if self._swap_id:
            row = self.ledger.rows.get(self._swap_id)
            if row.state == State.VERIFIED:
                with self.ledger.together():
                    self.ledger.move(self._amend(), due.state, due.reason, due.detail, **due.fields)
                    self.ledger.attempts.end(row.digest, SWAP)
            else:
                self.ledger.attempts.end(row.digest, SWAP)
        self._due, self._swap_id, self._notes = None, "", []
