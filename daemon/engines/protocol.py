"""What the daemon asks of an engine: whatever can be handed an adapter, verify it and answer requests with it.

The model in this process is one engine; a server that is asked over HTTP and a set of replicas are others. So every
call here may take minutes, may be cut short, and may succeed in part:

- **Threads.** Every call is made on the worker's thread, one at a time, unless its docstring says that it is legal on
  any thread. A long call gets its `Caller`, and calls `caller.rest` or `caller.give_way` at least every second while it
  works or waits: that is where the worker does what is urgent. Within these two the worker may call any method of the
  engine again, for another adapter; so an engine holds no lock of its own over them.
- **Cutting short.** `give_way` and `rest` may raise Interrupted. The engine lets it pass, ends or abandons what it had
  begun for this call, and keeps nothing but what the caller still holds.
- **Parts.** An engine has one member or several (replicas, servers). What each made of a candidate is a `Part`; the
  daemon decides by all of them (`decide`), not the engine.
- **Holds.** What `stage` and `find` return is held for the caller until `drop`. What is routed to or opened is held by
  the engine itself, for as long as some request may be answered by it.
- **Numbers and names.** A generation is named by its number and its digest; the engine answers with bytes of that
  digest or not at all. Any number of adapters may be staged, opened and live at once, as far as there is `room`.

Any call may raise ResidentLost: the engine can answer nothing any more, and the process ends. Unavailable means that
nothing was decided and the call may be made again later.
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from hotswapd.swap.errors import RolledBack
from hotswapd.swap.gates.spec import Progress, Verdict


class NoRoom(Exception):
    """There is no free place on the engine now: the candidate is held and tried again when one becomes free."""


@dataclass(slots=True, eq=False)
class Admitted:
    """An artifact whose description fits. An engine may return a subclass that carries what it has read already."""

    artifact: Path
    digest: str


@dataclass(slots=True, eq=False)
class Staged:
    """An adapter on the engine, in no request's way. Each staging is an object of its own, also of the same bytes.

    `number` is the generation that it answers as, None until it is opened or routed to.
    """

    digest: str
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """What a verification is told about a candidate beside its bytes: where it came from, where its files are.

    `usual_norms` are the update norms of generations that were live and good.
    """

    uri: str
    directory: Path
    usual_norms: Sequence[float] = ()


class Answer(StrEnum):
    """What one member of an engine made of a candidate."""

    FIT = "fit"
    REFUSED = "refused"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Part:
    """One member's answer. `member` is empty for an engine that is one whole.

    REFUSED has the gate's code and sentence. LOST says that this member did not answer, was never staged, or failed
    for a reason of its own; it is no evidence against the candidate.
    """

    member: str = ""
    answer: Answer = Answer.FIT
    code: str = ""
    sentence: str = ""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A generation that the engine has, with its requests: those that have a token are `active`, the others wait."""

    number: int
    digest: str
    active: int = 0
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class Routed:
    """A change of route. `pause` is for how many seconds no request could make a step because of it."""

    pause: float = 0.0


class Caller(Protocol):
    """Who waits for a long call. Every method is called on the thread that made the call."""

    def give_way(self) -> None:
        """Let what is urgent be done now. Raises Interrupted when the call is to end."""
        ...

    def rest(self, seconds: float) -> None:
        """Wait for so many seconds, giving way meanwhile. Raises Interrupted when the call is to end."""
        ...

    def progress(self, progress: Progress) -> None:
        """Take note of how far the call is."""
        ...

    def verdict(self, verdict: Verdict, member: str = "") -> None:
        """Take note of one gate's verdict, also of one that failed, as soon as it is known."""
        ...


class Patient:
    """A caller who has nothing else to do: waits, and takes no notes."""

    def give_way(self) -> None:
        """Go on at once."""

    def rest(self, seconds: float) -> None:
        """Sleep."""
        time.sleep(seconds)

    def progress(self, progress: Progress) -> None:
        """Take no note."""

    def verdict(self, verdict: Verdict, member: str = "") -> None:
        """Take no note."""


class Engine(Protocol):
    """Whatever holds the model. See the module's docstring for what holds of every call."""

    def admit(self, artifact: Path, digest: str) -> Admitted:
        """Check the artifact's description against what the engine can take; loads nothing.

        Raises Rejected with every reason, OSError when the artifact cannot be read.
        """
        ...

    def stage(self, admitted: Admitted, caller: Caller) -> Staged:
        """Bring the adapter onto the engine, beside everything that is there. What is served does not change.

        Raises NoRoom, Rejected, RolledBack (it cannot be laid out), OSError or MemoryError; then nothing is held. A
        member that could not take it reports LOST at `verify`.
        """
        ...

    def check(self, staged: Staged) -> tuple[Part, ...]:
        """Ask quickly whether it answers at all: enough for what has been live before. What is served is as before."""
        ...

    def verify(self, staged: Staged, subject: Subject, caller: Caller) -> tuple[Part, ...]:
        """Run every gate that is configured, on as many members as each gate needs; one part for each member.

        What is served is as before, however it ends. Each verdict goes to `caller.verdict`. Raises NoRoom or
        Unavailable when it could not be tried.
        """
        ...

    def prepare(self, caller: Caller) -> bool:
        """Do what the next `verify` would wait for, if there is anything; return whether there was."""
        ...

    def open(self, staged: Staged, number: int) -> None:
        """Answer the requests that name this generation by its number, from now on. Raises NoRoom.

        True afterwards: `staged.number` is the number, and the engine holds it until `close`.
        """
        ...

    def route(self, staged: Staged, number: int) -> AbstractContextManager[Routed]:
        """Make this generation the one that requests without a number are answered by.

        Entering does all that can fail: afterwards every member that serves has it, and room for it. Raises NoRoom.
        The body makes the change durable. When the body ends well the route changes at once and cannot fail any more;
        requests under way keep their generation. When the body raises, everything is as before entering.
        """
        ...

    def close(self, number: int) -> None:
        """Take no new requests for this generation; those under way go on to their end. Idempotent."""
        ...

    def drop(self, staged: Staged) -> None:
        """Give up the caller's hold. Legal on any thread."""
        ...

    def find(self, number: int) -> Staged | None:
        """Find a generation that is still on the engine, 0 being the bare base, and hold it for the caller."""
        ...

    def norms(self, staged: Staged) -> Mapping[str, float]:
        """Measure how much the adapter changes each module: ||scaling * B A|| (Frobenius) by the module's name."""
        ...

    def is_lost(self, error: BaseException) -> bool:
        """Tell whether an error that somebody met means that the engine can answer nothing any more."""
        ...

    def loaded(self) -> Sequence[Loaded]:
        """List the generations that can be asked for or still answer. Legal on any thread."""
        ...

    def room(self) -> bool:
        """Tell whether one more generation could be opened or routed to now. Legal on any thread."""
        ...


def decide(parts: Sequence[Part]) -> None:
    """Decide by every member's answer whether the candidate may go live. Raises RolledBack or NoRoom.

    One that refuses it is a veto. A member that is lost takes no part, but one at least must have found it fit.
    """
    for part in parts:
        if part.answer == Answer.REFUSED:
            where = f"{part.member}: " if part.member else ""
            raise RolledBack(part.code, f"{where}{part.sentence}")
    if not any(part.answer == Answer.FIT for part in parts):
        lost = "; ".join(f"{part.member}: {part.sentence}" for part in parts)
        raise NoRoom(f"no member of the engine could try it: {lost}")
