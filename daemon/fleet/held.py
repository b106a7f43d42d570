"""What one replica holds, what it has verified itself, and what it does next. The fence is here."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from hotswapd.daemon.engines.protocol import Answer, Part
from hotswapd.daemon.errors import ErrorCode
from hotswapd.swap.gates.spec import Verdict

from .orders import Asks, Found, Orders, Report, Trial, is_base
from .shared.pointer import Pointer


class Act(StrEnum):
    """What a replica can do; the order in which it does it is that of `Held.next`."""

    CLOSE = "close"
    DROP = "drop"
    STAGE = "stage"
    CHECK = "check"
    VERIFY = "verify"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Task:
    """One thing to do. `number` is that of a generation to open or close; `trial` is what is tried, if anything is."""

    act: Act
    digest: str
    number: int = 0
    trial: Trial | None = None


FIT = Part()
FULL = Part("", Answer.LOST, ErrorCode.NO_BERTH, "every berth is in use")
_ASKED = {Act.STAGE: Asks.STAGE, Act.CHECK: Asks.CHECK, Act.VERIFY: Asks.VERIFY}


class Held:
    """A replica's own record. Every method is for one thread, or with one lock; nothing here takes long.

    Whoever owns it does what `next` says, and tells `done` how it went; `follow` and `obey` may come meanwhile.
    """

    def __init__(self, member: str) -> None:
        """Hold the bare base, and nothing else."""
        self.member = member
        self.orders = Orders()
        self.pointer = Pointer()
        self.serving = False
        self._staged: set[str] = set()
        self._verified: set[str] = set()
        self._answering: dict[int, str] = {}
        self._found: dict[str, Found] = {}
        self._sick: dict[str, Part] = {}
        self._waits: set[str] = set()
        self._reports = 0

    # What it is told

    def obey(self, orders: Orders) -> None:
        """Go by these orders from now on, unless newer ones came before."""
        if orders.age <= self.orders.age:
            return
        self.orders = orders
        keys, digests = {trial.key for trial in orders.trials}, set(self.wanted().values())
        self._found = {key: found for key, found in self._found.items() if key in keys}
        self._sick = {digest: part for digest, part in self._sick.items() if digest in digests}
        self.try_again()

    def follow(self, pointer: Pointer) -> None:
        """Hold what this pointer names, unless a newer one came before. It counts more than the orders."""
        if pointer.may_follow(self.pointer):
            self.pointer = pointer

    def try_again(self) -> None:
        """Try again what found no berth, or no bytes."""
        self._waits.clear()

    # The fence

    def may_answer(self, number: int, digest: str) -> bool:
        """Tell whether a request for this generation may be answered: it is open, and its bytes were verified here."""
        if is_base(number, digest):
            return True
        return self._answering.get(number) == digest and digest in self._verified

    def whole(self) -> bool:
        """Tell whether it holds everything that the pointer names; `serving` from the first time on."""
        held = all(self.may_answer(number, digest) for number, digest in self.pointer.answering().items())
        self.serving |= held
        return held

    # What it does

    def wanted(self) -> dict[int, str]:
        """Return which generations it is to answer for: those ordered, and those that the pointer names."""
        return {**self.orders.answering, **self.pointer.answering()}

    def next(self) -> Task | None:
        """Return what to do next: first what makes room, then what is live, then what is tried. None if all is done."""
        wanted = self.wanted()
        return self._closing(wanted) or self._bringing(wanted) or self._trying()

    def _closing(self, wanted: Mapping[int, str]) -> Task | None:
        for number, digest in self._answering.items():
            if wanted.get(number) != digest:
                return Task(Act.CLOSE, digest, number)
        needed = {*wanted.values(), *(trial.digest for trial in self.orders.trials)}
        for digest in sorted(self._staged - needed):
            return Task(Act.DROP, digest)
        return None

    def _bringing(self, wanted: Mapping[int, str]) -> Task | None:
        first = self.pointer.answering()
        for number in sorted(wanted, key=lambda one: (one not in first, one)):
            digest = wanted[number]
            if number in self._answering or digest in self._waits or digest in self._sick:
                continue
            if digest in self._verified:
                return Task(Act.OPEN, digest, number)
            return Task(Act.CHECK if digest in self._staged else Act.STAGE, digest, number)
        return None

    def _trying(self) -> Task | None:
        for trial in self.orders.trials:
            found = self._found.get(trial.key)
            if trial.digest in self._waits or (found is not None and found.settles(trial, self.member)):
                continue
            if trial.digest not in self._staged:
                return Task(Act.STAGE, trial.digest, trial=trial)
            if trial.asks == Asks.STAGE:
                self._note(trial, Asks.STAGE, FIT)
                continue
            return Task(Act.VERIFY if trial.asks == Asks.VERIFY else Act.CHECK, trial.digest, trial=trial)
        return None

    def swap_of(self, task: Task) -> str:
        """Return the swap_id of what a task is about, for the log; empty if nobody has told it."""
        if task.trial is not None:
            return task.trial.swap_id
        named = [one for one in self.pointer.routes.values() if one["generation"] == task.number and task.number]
        return self.orders.swaps.get(task.number) or next((str(one.get("swap_id", "")) for one in named), "")

    def done(self, task: Task, part: Part = FIT, verdicts: tuple[Verdict, ...] = ()) -> None:
        """Note how a task went, with the verdicts of its gates.

        LOST means that it can be tried again: there was no berth, or there were no bytes.
        """
        match task.act:
            case Act.CLOSE:
                self._answering.pop(task.number, None)
            case Act.DROP:
                self._staged.discard(task.digest)
                self._verified.discard(task.digest)
            case Act.OPEN:
                self._opened(task, part)
            case _:
                self._tried(task, part, verdicts)

    def _opened(self, task: Task, part: Part) -> None:
        if part.answer == Answer.FIT:
            self._answering[task.number] = task.digest
        elif part.answer == Answer.REFUSED:
            self._sick[task.digest] = part
        else:
            self._waits.add(task.digest)

    def _tried(self, task: Task, part: Part, verdicts: tuple[Verdict, ...]) -> None:
        fit = part.answer == Answer.FIT
        if fit and task.act == Act.STAGE:
            self._staged.add(task.digest)
        elif fit:
            self._verified.add(task.digest)
        elif part.answer == Answer.LOST:
            self._waits.add(task.digest)
        if task.trial is not None:
            self._note(task.trial, _ASKED[task.act], part, verdicts)
        elif part.answer == Answer.REFUSED:
            self._sick[task.digest] = part

    def _note(self, trial: Trial, asked: Asks, part: Part, verdicts: tuple[Verdict, ...] = ()) -> None:
        self._found[trial.key] = Found(asked, part, verdicts, again=self.member in trial.again)

    def report(self) -> Report:
        """Return what it holds, for the watcher."""
        self._reports += 1
        return Report(
            self.member,
            self._reports,
            self.orders.age,
            self.serving,
            dict(self._found),
            {number: digest for number, digest in self._answering.items() if self.may_answer(number, digest)},
            dict(self._sick),
        )
