"""The one thread that touches the model's weights: it does commands, candidates and ticks in turn."""

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

import structlog

from hotswapd.daemon.channels.channels import Channels
from hotswapd.daemon.engines.protocol import Engine
from hotswapd.daemon.errors import Conflict, ErrorCode
from hotswapd.daemon.ledger.channel import DEFAULT
from hotswapd.daemon.ledger.generation import Generation
from hotswapd.daemon.ledger.ledger import Ledger, LedgerDown, Overtaken
from hotswapd.daemon.ledger.reasons import PAUSED_SENTENCE, Reason
from hotswapd.daemon.ledger.rows import Row
from hotswapd.daemon.ledger.states import State
from hotswapd.swap.errors import Interrupted, ResidentLost

from .candidate import Candidates
from .queue import Inbox
from .rules import Conditions, Waits

log = structlog.get_logger(__name__)
_TICK = 1.0
_LEDGER_WAIT = 1.0
_LONGEST_COMMAND = 120.0
"""Seconds that the asking thread waits for its command; control/client.py waits longer for the answer."""


@dataclass(frozen=True, slots=True)
class Command:
    """Something to do on the worker's thread; `done` gets the generation that is live afterwards."""

    run: Callable[[], Generation]
    done: "Future[Generation]"


class Worker:
    """Tries one candidate after the other. For the worker's thread; `do` and `between` are legal on any."""

    def __init__(
        self,
        inbox: Inbox,
        ledger: Ledger,
        engine: Engine,
        channels: Channels,
        candidates: Candidates,
        stop: threading.Event,
        tick: Callable[[], None] = lambda: None,
    ) -> None:
        """`stop` ends it. `tick` is called at least once a second, also while a candidate is being tried."""
        self._inbox = inbox
        self._ledger = ledger
        self._engine = engine
        self._channels = channels
        self._candidates = candidates
        self._looked = -1
        self._tick = tick
        self._stop = stop
        self._next_tick = 0.0
        self._commands: queue.SimpleQueue[Command] = queue.SimpleQueue()

    def loop(self) -> None:
        """Work until `stop` is set. Raises ResidentLost: after that, nothing on the device can be trusted."""
        while not self._stop.is_set():
            self.turn()

    def turn(self) -> None:
        """Do the next thing, or wait for one. Raises ResidentLost."""
        since = self._inbox.changes()
        self._tick()
        try:
            busy = self._command() or self._candidate() or self._candidates.prepare(self)
        except LedgerDown as error:
            log.warning("ledger_down", detail=str(error))
            self._stop.wait(_LEDGER_WAIT)
            return
        if not busy:
            self._inbox.wait(since, _TICK)

    def give_way(self, channel: str = "") -> None:
        """Do what cannot wait for a running gate of this channel, between two of its turns. Raises Interrupted.

        A command or a rollback that needs a place on the engine does not wait for a gate that has the last one.
        """
        if self._stop.is_set():
            raise Interrupted(Reason.RESTARTED, "the daemon ends; it is tried again after the next start")
        if time.monotonic() >= self._next_tick:
            self._next_tick = time.monotonic() + _TICK
            self._tick()
        if channel and self._ledger.flags.paused(channel):
            raise Interrupted(Reason.PAUSED, PAUSED_SENTENCE)
        urgent = self._channels.waits() or not self._commands.empty()
        if urgent:
            self._candidates.ahead.drop()
        if urgent and not self._engine.room():
            sentence = "its berth is needed to change what is live; it is tried again after that"
            raise Interrupted(Reason.INTERRUPTED, sentence)
        while self._command():
            pass
        if channel and self._inbox.changes() != self._looked:
            self._looked = self._inbox.changes()
            self._candidates.ahead.stage(lambda: self._after(channel))

    def _after(self, channel: str) -> Row | None:
        """Return what will be tried after the candidate of this channel, if that is another channel's."""
        row = self._inbox.next_one(self._conditions())
        return row if row is not None and row.channel != channel and row.state == State.FETCHED else None

    def _conditions(self) -> Conditions:
        flags = self._ledger.flags
        held = flags.holding("paused"), flags.holding("pinned")
        return Conditions(*held, self._engine.room(), time.time(), self._is_busy)

    def rest(self, seconds: float, channel: str = "") -> None:
        """Wait, as a gate does so that requests get their share of the model, and give way meanwhile."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            since = self._inbox.changes()
            self.give_way(channel)
            self._inbox.wait(since, min(left, _TICK))

    def between(self, run: Callable[[], None]) -> None:
        """Have something done on the worker's thread before the next candidate, without waiting for it."""

        def command() -> Generation:
            run()
            return self._channels.of(DEFAULT).live.now

        self._commands.put(Command(command, Future()))
        self._inbox.notify()

    def do(self, run: Callable[[], Generation]) -> Generation:
        """Have something done on the worker's thread before the next candidate, and return its result.

        Raises Conflict, LedgerDown, or TimeoutError: what did not begin in time is not done at all.
        """
        command = Command(run, Future())
        self._commands.put(command)
        self._inbox.notify()
        try:
            return command.done.result(timeout=_LONGEST_COMMAND)
        finally:
            command.done.cancel()

    def _command(self) -> bool:
        try:
            command = self._commands.get_nowait()
        except queue.Empty:
            return False
        if not command.done.set_running_or_notify_cancel():
            return True  # the caller was told that it is not done
        try:
            command.done.set_result(command.run())
        except (Conflict, LedgerDown) as refusal:
            refusal.__context__ = refusal.__cause__ = None  # their frames would keep the candidate's tensors
            command.done.set_exception(refusal.with_traceback(None))
        except BaseException as error:
            sentence = f"it failed: {type(error).__name__}: {error}"
            command.done.set_exception(Conflict(ErrorCode.INTERNAL_ERROR, sentence))
            if isinstance(error, ResidentLost) or not isinstance(error, Exception) or self._engine.is_lost(error):
                raise
            log.error("command_failed", exc_info=error)  # noqa: TRY400 - what was live is live
        return True

    def _candidate(self) -> bool:
        conditions = self._conditions()
        if conditions.paused:
            self._inbox.hold_fetched(conditions.paused)
        row = self._inbox.choose(conditions)
        if row is None:
            self._candidates.ahead.drop()
            return False
        with structlog.contextvars.bound_contextvars(swap_id=row.swap_id, channel=row.channel):
            try:
                self._candidates.run(row, self, pinned=row.channel in conditions.pinned)
            except Overtaken:
                log.debug("overtaken", uri=row.uri)
            except ResidentLost as error:
                log.error("resident_lost", uri=row.uri, detail=str(error))  # noqa: TRY400
                raise
        return True

    def _is_busy(self, row: Waits) -> bool:
        """Tell whether a candidate must wait for the rollout of its channel, or for another member of its set."""
        channel = self._channels.peek(row.channel)
        left_alone = channel is not None and channel.rollouts.leaves_alone(row.swap_id)
        return left_alone or self._candidates.sets.holds(row)
