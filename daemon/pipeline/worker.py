"""The one thread that touches the model's weights: it starts the engine, then takes candidates in order."""

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass

import structlog

from hotswapd.daemon.errors import Conflict
from hotswapd.daemon.ledger.generation import Generation
from hotswapd.daemon.ledger.ledger import Ledger, LedgerDown, Left, Overtaken
from hotswapd.daemon.ledger.reasons import PAUSED, PAUSED_SENTENCE
from hotswapd.daemon.ledger.rows import Row
from hotswapd.daemon.ledger.states import State
from hotswapd.daemon.live.rollback import Rollback
from hotswapd.swap.errors import ResidentLost
from hotswapd.swap.failures import is_sticky
from hotswapd.swap.gates.turns import Interrupted

from .candidate import Pipeline
from .queue import Inbox
from .rules import Conditions

log = structlog.get_logger(__name__)
_TICK = 1.0
_LEDGER_WAIT = 1.0


@dataclass(frozen=True, slots=True)
class Command:
    """What an operator wants done with the live generation; `done` gets the generation that is live then."""

    run: Callable[[], Generation]
    done: "Future[Generation]"


class Worker:
    """Takes one candidate after the other. `loop` runs on the worker's thread, the rest is legal on any thread."""

    def __init__(
        self,
        inbox: Inbox,
        ledger: Ledger,
        pipeline: Pipeline,
        rollback: Rollback,
        *,
        room: Callable[[], bool],
        tick: Callable[[], None] = lambda: None,
        urgent: Callable[[], bool] = lambda: False,
    ) -> None:
        """`room` says whether a lane is free, `tick` is called on the thread at least once a second.

        `urgent` says whether a tick has something to do for which it needs a lane.
        """
        self._inbox = inbox
        self._ledger = ledger
        self._pipeline = pipeline
        self.rollback = rollback
        self._room = room
        self._tick = tick
        self._urgent = urgent
        self._stop = threading.Event()
        self._next_tick = 0.0
        self._commands: queue.SimpleQueue[Command] = queue.SimpleQueue()

    def loop(self, stop: threading.Event) -> None:
        """Work until `stop`. Raises ResidentLost, after which nothing of this process can be trusted."""
        self._stop = stop
        while not stop.is_set():
            since = self._inbox.changes()
            self._tick()
            try:
                busy = self._command() or self._candidate() or self._pipeline.prepare()
            except LedgerDown as error:
                log.warning("ledger_down", detail=str(error))
                stop.wait(_LEDGER_WAIT)
                continue
            if not busy:
                self._inbox.wait(since, _TICK)

    def give_way(self) -> None:
        """Let what comes before a running gate be done, on the worker's thread between two turns. Raises Interrupted.

        Nothing that needs a lane waits for a gate that has the last one.
        """
        if self._stop.is_set():
            raise Interrupted("restarted", "the daemon ends; it is tried again after the next start")
        if time.monotonic() >= self._next_tick:
            self._next_tick = time.monotonic() + _TICK
            self._tick()
        if self._ledger.flags.paused:
            raise Interrupted(PAUSED, PAUSED_SENTENCE)
        if (self._urgent() or not self._commands.empty()) and not self._room():
            raise Interrupted("interrupted", "its lane is needed to change what is live; it is tried again after that")
        while self._command():
            pass

    def rest(self, seconds: float) -> None:
        """Wait on the worker's thread, as a gate does so that requests get their share; gives way meanwhile."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            since = self._inbox.changes()
            self.give_way()
            self._inbox.wait(since, min(left, _TICK))

    def roll_back(self, number: int | None, *, follow: bool) -> Generation:
        """Make an older generation live and pin it unless `follow`. Raises Conflict, TimeoutError or LedgerDown."""

        def run() -> Generation:
            target, before = self.rollback.target(number), self._pipeline.live
            left = Left(State.ROLLED_BACK, "operator", f"rolled back by hand to generation {target.number}")

            def also() -> None:
                self._ledger.generations.refuse(before.number)
                self._ledger.flags.set("pinned", not follow)

            with contextlib.nullcontext() if follow else self._pinned():
                return self.rollback.run(target, left, also)

        return self.do(run)

    def pin(self, number: int | None) -> Generation:
        """Keep what is live, or make generation `number` live and keep that. Raises as `roll_back` does."""

        def run() -> Generation:
            live = self._pipeline.live
            with self._pinned():
                if number is None or number == live.number:
                    return live
                return self.rollback.run(self.rollback.target(number), Left(State.RETIRED, "pinned_other"))

        return self.do(run)

    def between(self, run: Callable[[], None]) -> None:
        """Have something done on the worker's thread, before the next candidate; does not wait for it."""

        def command() -> Generation:
            run()
            return self._pipeline.live

        self._commands.put(Command(command, Future()))
        self._inbox.notify()

    @contextlib.contextmanager
    def _pinned(self) -> Iterator[None]:
        """Pin before the step, so that a death within it cannot lose the pin; as it was before when the step fails."""
        was = self._ledger.flags.pinned
        self._ledger.flags.set("pinned", value=True)
        try:
            yield
        except BaseException:
            self._ledger.flags.set("pinned", was)
            raise

    def do(self, run: Callable[[], Generation]) -> Generation:
        """Have it done on the worker's thread, before the next candidate. What was not begun in time is not done."""
        command = Command(run, Future())
        self._commands.put(command)
        self._inbox.notify()
        try:
            return command.done.result(timeout=120)
        finally:
            command.done.cancel()

    def _command(self) -> bool:
        try:
            command = self._commands.get_nowait()
        except queue.Empty:
            return False
        if not command.done.set_running_or_notify_cancel():
            return True  # who asked has been told that it was not done
        try:
            command.done.set_result(command.run())
        except (Conflict, LedgerDown) as refusal:
            refusal.__context__ = refusal.__cause__ = None  # their frames would keep the candidate's tensors
            command.done.set_exception(refusal.with_traceback(None))
        except BaseException as error:
            command.done.set_exception(Conflict("internal_error", f"it failed: {type(error).__name__}: {error}"))
            if isinstance(error, ResidentLost) or not isinstance(error, Exception) or is_sticky(error):
                raise
            log.error("command_failed", exc_info=error)  # noqa: TRY400 - what was live is live
        return True

    def _waits(self, row: Row) -> bool:
        rollout = self._pipeline.rollout
        return rollout is not None and rollout.leaves_alone(row)

    def _candidate(self) -> bool:
        conditions = Conditions(
            paused=self._ledger.flags.paused,
            pinned=self._ledger.flags.pinned,
            room=self._room(),
            now=time.time(),
        )
        if conditions.paused:
            self._inbox.hold_fetched()
        row = self._inbox.choose(conditions)
        if row is None or self._waits(row):
            return False
        with structlog.contextvars.bound_contextvars(swap_id=row.swap_id):
            try:
                self._pipeline.run(row, pinned=conditions.pinned)
            except Overtaken:
                log.debug("overtaken", uri=row.uri)
            except ResidentLost as error:
                log.error("resident_lost", uri=row.uri, detail=str(error))  # noqa: TRY400
                raise
        return True
