"""One try of a candidate: its row on the way, whoever waits for it, and how it ended."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from hotswapd.daemon.engines.protocol import NoRoom, Patient
from hotswapd.daemon.ledger.attempts import SWAP
from hotswapd.daemon.ledger.ledger import Ledger
from hotswapd.daemon.ledger.reasons import Reason
from hotswapd.daemon.ledger.rows import Row
from hotswapd.daemon.ledger.states import State
from hotswapd.daemon.report.verdicts import log_verdict, record
from hotswapd.loaders.errors import Unavailable
from hotswapd.swap.errors import Interrupted, Rejected, RolledBack
from hotswapd.swap.gates.spec import Progress, Verdict

log = structlog.get_logger(__name__)
_NO_BERTH_SENTENCE = "every berth is in use; it is tried again as soon as one is free"
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


def explain(error: Exception) -> Ending:
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


class Attempt:
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
    def step(self, stage: str, state: State, then: str = "") -> Iterator[None]:
        """Time a step, and record it once it is done; the seconds of a failed one are kept too.

        `then` is the risky stage that begins at once: that it is under way is written in the same transaction.
        """
        began = time.perf_counter()
        try:
            self._on_step(stage)
            yield
        except BaseException:
            self.row = replace(self.row, seconds=self.row.seconds | {stage: time.perf_counter() - began})
            raise
        seconds = self.row.seconds | {stage: time.perf_counter() - began}
        with self._ledger.together():
            moved = self._ledger.move(self.row, state, seconds=seconds)
            if then:
                self._ledger.attempts.begin(moved.digest, SWAP, then, moved.channel)
        self.row = moved


class Preparing(Patient):
    """The `Caller` of a preparation: it gives way, and takes no notes, since there is no candidate."""

    def __init__(self, pauses: Pauses) -> None:
        self._pauses = pauses

    def give_way(self) -> None:
        """Do what is urgent. Raises Interrupted."""
        self._pauses.give_way()

    def rest(self, seconds: float) -> None:
        """Wait, doing what is urgent meanwhile. Raises Interrupted."""
        self._pauses.rest(seconds)
