"""A replica at work: it does what its record says is next, on its engine and on one thread."""

import threading
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

import structlog

from hotswapd.daemon.config.settings import ConfigError, Settings
from hotswapd.daemon.engines.protocol import Answer, Engine, NoRoom, Part, Patient, Staged, Subject
from hotswapd.daemon.errors import ErrorCode, FleetCode
from hotswapd.daemon.ledger.reasons import Reason
from hotswapd.loaders.errors import Refused, Unavailable
from hotswapd.swap.errors import Rejected, ResidentLost, RolledBack
from hotswapd.swap.gates.spec import Verdict

from .endings import Unsaid
from .held import Act, Held, Task
from .looking import Looking
from .orders import Orders, Report, Trial
from .rules import Rules
from .shared.trail import Follower

log = structlog.get_logger(__name__)
_BEAT = 0.05
"""Seconds between two looks at the pointer while there is nothing to do."""
_RETRY = 0.5
_TICK = 1.0


class Replica:
    """Owns an engine. `run` is for one thread, every other method is legal on any thread.

    `engine` is one that answers requests by the number of a generation; `fetch` returns the directory of a digest, and
    raises Unavailable or Refused; `tick` is called on the thread of `run`, every second or so.
    """

    def __init__(
        self,
        held: Held,
        engine: Engine,
        fetch: Callable[[str], Path],
        follower: Follower,
        tick: Callable[[], None] = lambda: None,
        unsaid: Unsaid | None = None,
        release: Callable[[Collection[str]], None] = lambda keep: None,
        judge_by: Callable[[Settings], None] = lambda settings: None,
    ) -> None:
        """Hold the bare base. `unsaid` is how requests ended that the engine answers.

        `release` is told, when there is nothing to do, of which digests the directories are still needed. `judge_by`
        has the engine verify by other settings, and may raise ConfigError; both are called on the thread of `run`.
        """
        self._held = held
        self._engine = engine
        self._fetch = fetch
        self._follower = follower
        self._tick = tick
        self._unsaid = unsaid or Unsaid()
        self._release = release
        self._judge_by = judge_by
        self._rules = Rules()
        self._unread = ""
        self._lock = threading.Lock()
        """Held while the record is read or changed, never while the engine works."""
        self._staged: dict[str, Staged] = {}
        self._open_as: dict[int, str] = {}
        self._more = threading.Event()
        self._whole = threading.Event()
        self._ticked = self._retried = 0.0
        self._looking = Looking(self._look)

    def run(self, stop: threading.Event) -> None:
        """Do what there is to do until `stop`. Raises ResidentLost."""
        while not stop.is_set():
            self._more.clear()
            if not self.step():
                self._more.wait(_BEAT)

    def step(self) -> bool:
        """Look at the pointer and do one thing; return False if there was nothing to do. Raises ResidentLost."""
        self._looking.wait()
        now = time.monotonic()
        if now - self._ticked >= _TICK:
            self._ticked = now
            self._tick()
        self._renew()
        with self._lock:
            if now - self._retried >= _RETRY:
                self._retried = now
                self._held.try_again()
            task = self._held.next()
            swap_id = "" if task is None else self._held.swap_of(task)
        if task is not None:
            with structlog.contextvars.bound_contextvars(**({"swap_id": swap_id} if swap_id else {})):
                part, verdicts = self._do(task)
                _log(task, part)
            with self._lock:
                self._held.done(task, part, verdicts)
        with self._lock:
            if self._held.whole():
                self._whole.set()
            tried = {trial.digest for trial in self._held.orders.trials}
        if task is None:
            self._release(tried)
        return task is not None

    def _renew(self) -> None:
        """Verify by the newest configuration, before anything is tried; if it cannot be read, go on by the last."""
        with self._lock:
            rules, known = self._held.orders.rules, self._rules
        if rules.version <= known.version:
            return
        unread = ""
        try:
            settings = rules.settings()
            self._judge_by(settings)
        except ConfigError as error:
            unread = f"it verifies by the configuration of before: {error}"
            log.error("reload_refused", version=rules.version, detail=str(error))  # noqa: TRY400 - the sentence says it
        else:
            log.info("reloaded", version=rules.version)
        with self._lock:
            self._rules, self._unread = rules, unread

    def await_whole(self, seconds: float) -> bool:
        """Wait until it has held everything that the pointer names; return whether it has."""
        return self._whole.wait(seconds)

    def is_whole(self) -> bool:
        """Tell whether it holds everything that the pointer names now."""
        with self._lock:
            return self._held.whole()

    def sick(self) -> str:
        """Return why it cannot answer with what is live, though it has its bytes; empty if it can."""
        with self._lock:
            return "; ".join(part.sentence for part in self._held.report().sick.values())

    def exchange(self, send: Callable[[Report], Orders | None]) -> None:
        """Report, and go by the orders that come back; None is a watcher that is away, who is told again later."""
        report = self.report()
        orders = send(report)
        if orders is not None:
            self._unsaid.confirm(report.endings)
            self.obey(orders)

    def leave(self) -> Report:
        """Return the last report: it answers nothing any more, so that no change waits for it."""
        return replace(self.report(), serving=False, leaving=True)

    def obey(self, orders: Orders) -> None:
        """Go by these orders, unless newer ones came before."""
        with self._lock:
            self._held.obey(orders)
        self._more.set()

    def report(self) -> Report:
        """Return what it holds."""
        loaded, endings = tuple(self._engine.loaded()), self._unsaid.due()
        with self._lock:
            rules, unread = self._rules.version, self._unread
            return replace(self._held.report(), loaded=loaded, endings=endings, rules=rules, unread=unread)

    def may_answer(self, number: int, digest: str) -> bool:
        """Tell whether a request for this generation may be answered here: the fence."""
        with self._lock:
            return self._held.may_answer(number, digest)

    def _look(self) -> None:
        """Follow the pointer, on the thread of `Looking`: a mount that hangs keeps nothing else from being done."""
        try:
            pointer = self._follower.look()
        except Unavailable as error:
            log.warning("shared_down", detail=error.sentence)
            return
        with self._lock:
            self._held.follow(pointer)

    def _do(self, task: Task) -> tuple[Part, tuple[Verdict, ...]]:
        """Do it, and say how it went: whatever a candidate does, the next task gets its turn."""
        verdicts = _Verdicts()
        try:
            return self._done(task, verdicts), tuple(verdicts.said)
        except ResidentLost:
            raise
        except Exception as error:  # noqa: BLE001 - what it means is told to the watcher
            if self._engine.is_lost(error):
                raise ResidentLost("the device does not answer any more") from None
            return _explained(error, task), tuple(verdicts.said)

    def _done(self, task: Task, verdicts: "_Verdicts") -> Part:
        engine = self._engine
        match task.act:
            case Act.CLOSE:
                engine.close(task.number)
                self._open_as.pop(task.number, None)
                self._give_up(task.digest, task.number)
            case Act.DROP:
                self._give_up(task.digest)
            case Act.STAGE:
                self._have(task.digest)
            case Act.CHECK:
                return engine.check(self._have(task.digest))[0]
            case Act.VERIFY:
                assert task.trial is not None
                return engine.verify(self._have(task.digest), self._subject(task.trial), verdicts)[0]
            case Act.OPEN:
                return self._open(task.digest, task.number)
        return Part()

    def _have(self, digest: str) -> Staged:
        """Return these bytes staged: as they are held, as a generation has them, or anew."""
        if digest not in self._staged:
            number = next((number for number, other in self._open_as.items() if other == digest), None)
            found = None if number is None else self._engine.find(number)
            self._staged[digest] = found or self._stage(digest)
        return self._staged[digest]

    def _stage(self, digest: str) -> Staged:
        return self._engine.stage(self._engine.admit(self._fetch(digest), digest), Patient())

    def _give_up(self, digest: str, number: int | None = None) -> None:
        """Hold these bytes no longer; only if they are what answered for `number`, where that is given."""
        staged = self._staged.get(digest)
        if staged is not None and number in (None, staged.number):
            self._engine.drop(self._staged.pop(digest))

    def _subject(self, trial: Trial) -> Subject:
        what = trial.uri, self._fetch(trial.digest), trial.usual_norms, trial.name
        thorough = trial.judge in ("", self._held.member)
        return Subject(*what, replay=trial.replay, live=trial.live, thorough=thorough)

    def _open(self, digest: str, number: int) -> Part:
        """Answer for it; a second generation of the same bytes lies in a berth of its own, and is checked there."""
        staged = self._staged.get(digest)
        if staged is not None and staged.number in (None, number):
            self._engine.open(staged, number)
            self._open_as[number] = digest
            return Part()
        again = self._stage(digest)
        try:
            part = self._engine.check(again)[0]
            if part.answer == Answer.FIT:
                self._engine.open(again, number)
                self._open_as[number] = digest
        finally:
            self._engine.drop(again)
        return part


def _log(task: Task, part: Part) -> None:
    """Say what was done, by the swap_id that is bound; what is only to be tried again, quietly."""
    what = {"digest": task.digest} | ({"generation": task.number} if task.number else {})
    if part.answer != Answer.FIT:
        what |= {"code": part.code, "detail": part.sentence}
    say = {Answer.FIT: log.info, Answer.REFUSED: log.warning}.get(part.answer, log.debug)
    say(f"replica_{task.act}", **what)


class _Verdicts(Patient):
    """A caller that notes the verdicts."""

    def __init__(self) -> None:
        self.said: list[Verdict] = []

    def verdict(self, verdict: Verdict, member: str = "") -> None:
        self.said.append(verdict)


def _explained(error: Exception, task: Task) -> Part:
    match error:
        case NoRoom():
            return Part("", Answer.LOST, ErrorCode.NO_BERTH, str(error))
        case Rejected():
            return Part("", Answer.REFUSED, error.code, error.summary(), error.misfits)
        case RolledBack():
            return Part("", Answer.REFUSED, error.code, error.sentence)
        case Unavailable() | Refused():
            return Part("", Answer.LOST, error.code, error.sentence)
        case OSError():
            return Part("", Answer.LOST, FleetCode.SHARED_DOWN, f"its copy here cannot be read: {error}")
    log.error("task_failed", act=task.act, digest=task.digest, exc_info=error)
    return Part("", Answer.REFUSED, Reason.INTERNAL_ERROR, f"{task.act} failed: {error}")
