"""The one thread that touches the model's weights: it starts the engine, then takes candidates in order."""

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

import structlog

from ..swap.errors import ResidentLost
from .inbox import Inbox
from .ledger import Ledger, LedgerDown, Left, Overtaken
from .lifecycle import State
from .pipeline import Pipeline
from .refusals import Conflict
from .rollback import Rollback
from .rows import Generation
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
    ) -> None:
        """`room` says whether a lane is free, `tick` is called on the thread at least once a second."""
        self._inbox = inbox
        self._ledger = ledger
        self._pipeline = pipeline
        self._rollback = rollback
        self._room = room
        self._tick = tick
        self._commands: queue.SimpleQueue[Command] = queue.SimpleQueue()

    def loop(self, stop: threading.Event) -> None:
        """Work until `stop`. Raises ResidentLost, after which nothing of this process can be trusted."""
        while not stop.is_set():
            since = self._inbox.changes()
            self._tick()
            try:
                busy = self._command() or self._candidate()
            except LedgerDown as error:
                log.warning("ledger_down", detail=str(error))
                stop.wait(_LEDGER_WAIT)
                continue
            if not busy:
                self._inbox.wait(since, _TICK)

    def roll_back(self, number: int | None, *, follow: bool) -> Generation:
        """Make an older generation live and pin it unless `follow`. Raises Conflict, TimeoutError or LedgerDown."""

        def run() -> Generation:
            target = self._rollback.target(number)
            left = Left(State.ROLLED_BACK, "operator", f"rolled back by hand to generation {target.number}")
            self._ledger.set_flag("pinned", not follow)
            before = self._pipeline.live
            live = self._rollback.run(target, left)
            self._ledger.refuse_generation(before.number)
            return live

        return self._do(run)

    def pin(self, number: int | None) -> Generation:
        """Keep what is live, or make generation `number` live and keep that. Raises as `roll_back` does."""

        def run() -> Generation:
            live = self._pipeline.live
            if number is not None and number != live.number:
                live = self._rollback.run(self._rollback.target(number), Left(State.RETIRED, "pinned_other"))
            self._ledger.set_flag("pinned", value=True)
            return live

        return self._do(run)

    def between(self, run: Callable[[], None]) -> None:
        """Have something done on the worker's thread, before the next candidate; does not wait for it."""

        def command() -> Generation:
            run()
            return self._pipeline.live

        self._commands.put(Command(command, Future()))
        self._inbox.notify()

    def _do(self, run: Callable[[], Generation]) -> Generation:
        """Have it done on the worker's thread, before the next candidate."""
        command = Command(run, Future())
        self._commands.put(command)
        self._inbox.notify()
        return command.done.result(timeout=120)

    def _command(self) -> bool:
        try:
            command = self._commands.get_nowait()
        except queue.Empty:
            return False
        try:
            command.done.set_result(command.run())
        except (Conflict, LedgerDown) as refusal:
            command.done.set_exception(refusal)
        except BaseException as error:
            command.done.set_exception(Conflict("internal_error", f"it failed: {type(error).__name__}: {error}"))
            raise
        return True

    def _candidate(self) -> bool:
        conditions = Conditions(
            paused=bool(self._ledger.flag("paused", False)),
            pinned=bool(self._ledger.flag("pinned", False)),
            room=self._room(),
            now=time.time(),
        )
        if conditions.paused:
            self._inbox.hold_fetched()
        row = self._inbox.choose(conditions)
        if row is None:
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
