"""The protocol between the daemon and an engine: anything that takes adapters, verifies them and answers with them.

The model in this process is one engine; a server behind HTTP and a set of replicas are others. So every call here may
take minutes, may be cut short, and may succeed in part:

- **Threads.** Every call is made on the worker's thread, one at a time, unless its docstring says that it is legal on
  any thread. A long call gets its `Caller`, and calls `caller.rest` or `caller.give_way` at least every second while it
  works or waits: the worker does urgent work there. Within these two the worker may call any method of the engine
  again, for another adapter; so an engine holds no lock of its own across them.
- **Cutting short.** `give_way` and `rest` may raise Interrupted. The engine lets it pass, ends or abandons what it
  began for this call, and keeps only what the caller still holds.
- **Parts.** An engine has one member or several (replicas, servers). Each member's answer on a candidate is a `Part`;
  the daemon decides by all of them (`decide`), not the engine.
- **Holds.** What `stage` and `find` return is held for the caller until `drop`. What is routed to or opened is held by
  the engine itself, for as long as it may answer a request.
- **Numbers and names.** A generation is named by its number and its digest; the engine answers with bytes of that
  digest or not at all. Any number of adapters may be staged, opened and live at once, as long as there is `room`.

Any call may raise ResidentLost: the engine can no longer answer anything, and the process ends. Unavailable means that
nothing was decided and the call may be repeated later.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from hotswapd.swap.errors import Misfit, RolledBack
from hotswapd.swap.gates.spec import Progress, Replayed, Verdict

DEFAULT = "default"
"""The served name that always exists: requests that ask for the base model by its name are answered by its route."""


class NoRoom(Exception):
    """The engine has no free place now: the candidate is held, and tried again when one becomes free."""


@dataclass(slots=True, eq=False)
class Admitted:
    """An artifact whose description fits. An engine may return a subclass that carries what it has already read."""

    artifact: Path
    digest: str


@dataclass(slots=True, eq=False)
class Staged:
    """An adapter on the engine, out of the way of requests. Each staging is its own object, even of the same bytes.

    `number` is the generation that it answers as, None until it is opened or routed to.
    """

    digest: str
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """What a verification knows of a candidate besides its bytes: where it came from, and where its files are.

    `usual_norms` are the update norms of generations that were live and good. `name` is the served name that it is for.
    `replay` is a sample of what is live under that name has answered, None where nobody took one. `live` is the number
    of what is live under it, where the engine does not know that by its own routes. Unless `thorough`, gates of which
    one member's answer is enough are left to another.
    """

    uri: str
    directory: Path
    usual_norms: Sequence[float] = ()
    name: str = DEFAULT
    replay: Sequence[Replayed] | None = field(default=None, repr=False)
    live: int | None = None
    thorough: bool = True


class Answer(StrEnum):
    """One member's answer on a candidate."""

    FIT = "fit"
    REFUSED = "refused"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Part:
    """One member's answer, with its name. `member` is empty if the engine is a single whole.

    REFUSED has the gate's code and sentence, and `misfits` if no member would take the bytes themselves. LOST
    says that this member did not answer, was never staged, or failed for a reason of its own; it is no evidence against
    the candidate.
    """

    member: str = ""
    answer: Answer = Answer.FIT
    code: str = ""
    sentence: str = ""
    misfits: tuple[Misfit, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A generation on the engine, with its requests: those that have a token are `active`, the others `waiting`.

    `berth` is its place, None if it needs none or the engine has no fixed places. `names` are the served names that it
    is live under. `use` is ``live``, ``previous``, ``candidate``, ``draining`` or ``canary``.
    """

    number: int
    digest: str
    active: int = 0
    waiting: int = 0
    berth: int | None = None
    names: tuple[str, ...] = ()
    use: str = ""


@dataclass(slots=True)
class Routed:
    """A change of route. `pause` is how many seconds it kept requests from being taken, known once it is done.

    The body may set `then`, which a change of several calls at that moment: no request is taken between the two. It
    must be quick and must not raise.
    """

    pause: float = 0.0
    then: Callable[[], None] = lambda: None


Route = tuple[Staged, int, str]
"""What is to answer, its generation's number, and the served name."""


class Caller(Protocol):
    """Whoever waits for a long call. Every method is called on the thread that made the call."""

    def give_way(self) -> None:
        """Let urgent work be done now. Raises Interrupted if the call must end."""
        ...

    def rest(self, seconds: float) -> None:
        """Wait this many seconds and give way meanwhile. Raises Interrupted if the call must end."""
        ...

    def progress(self, progress: Progress) -> None:
        """Note how far the call is."""
        ...

    def verdict(self, verdict: Verdict, member: str = "") -> None:
        """Note one gate's verdict, a failed one too, as soon as it is known."""
        ...


class Patient:
    """A caller with nothing else to do: it waits, and takes no notes."""

    def give_way(self) -> None:
        """Go on at once."""

    def rest(self, seconds: float) -> None:
        """Sleep."""
        time.sleep(seconds)

    def progress(self, progress: Progress) -> None:
        """Ignore it."""

    def verdict(self, verdict: Verdict, member: str = "") -> None:
        """Ignore it."""


class Engine(Protocol):
    """Anything that holds a model. The module's docstring has the rules for every call."""

    def admit(self, artifact: Path, digest: str) -> Admitted:
        """Compare the artifact's description with what the engine can take; load nothing.

        Raises Rejected with every reason, OSError if the artifact cannot be read.
        """
        ...

    def stage(self, admitted: Admitted, caller: Caller) -> Staged:
        """Bring the adapter onto the engine, beside whatever is on it. What is served does not change.

        Raises NoRoom, Rejected, RolledBack (it cannot be laid out), OSError or MemoryError, and holds nothing then. A
        member that could not take it reports LOST at `verify`.
        """
        ...

    def check(self, staged: Staged) -> tuple[Part, ...]:
        """Check quickly that it answers at all: enough for what was live before. What is served does not change."""
        ...

    def verify(self, staged: Staged, subject: Subject, caller: Caller) -> tuple[Part, ...]:
        """Run every configured gate, on as many members as each gate needs; return one part for each member.

        What is served does not change, however it ends. Each verdict goes to `caller.verdict`. Raises NoRoom or
        Unavailable if it could not be tried.
        """
        ...

    def prepare(self, caller: Caller) -> bool:
        """Do in advance what the next `verify` would wait for; return whether there was anything to do."""
        ...

    def open(self, staged: Staged, number: int) -> None:
        """Answer the requests that name this generation by its number, from now on. Raises NoRoom.

        Afterwards `staged.number` is the number, and the engine holds it until `close`.
        """
        ...

    def route(self, staged: Staged, number: int, name: str = DEFAULT) -> AbstractContextManager[Routed]:
        """Make this generation answer the requests that ask for this served name and no number.

        Each served name has a route of its own; the others do not change. Raises ValueError for a name that the engine
        cannot serve.

        Entering does everything that can fail: afterwards every serving member has it, and room for it. Raises NoRoom.
        The body makes the change durable. When the body ends well, the route changes at once and can no longer fail;
        requests under way keep their generation. When the body raises, nothing has changed.
        """
        ...

    def route_together(self, routes: Sequence[Route]) -> AbstractContextManager[Routed]:
        """Make several generations answer for their names at one moment; the contract is that of `route`.

        Once any answer names one of them, every request that comes later is answered by all of them.
        """
        ...

    def park(self, number: int, digest: str, name: str) -> None:
        """Let this generation answer for a served name although it is not on the engine: it comes when asked for.

        Requests for it wait, in order, and nobody else does.
        """
        ...

    def spare(self) -> bool:
        """Tell whether a generation could be staged without parking another one. Legal on any thread."""
        ...

    def unroute(self, name: str) -> None:
        """Answer for this served name no longer: its requests end, waiting ones with an error. Idempotent."""
        ...

    def close(self, number: int) -> None:
        """Take no new requests for this generation; those under way run to their end. Idempotent."""
        ...

    def drop(self, staged: Staged) -> None:
        """Give up the caller's hold. Legal on any thread."""
        ...

    def find(self, number: int) -> Staged | None:
        """Find a generation that is still on the engine (0 is the bare base), and hold it for the caller."""
        ...

    def norms(self, staged: Staged) -> Mapping[str, float]:
        """Measure how much the adapter changes each module: ||scaling * B A|| (Frobenius) by the module's name."""
        ...

    def is_lost(self, error: BaseException) -> bool:
        """Tell whether this error means that the engine can no longer answer anything."""
        ...

    def loaded(self) -> Sequence[Loaded]:
        """List the generations that requests can name, or that still answer some. Legal on any thread."""
        ...

    def room(self) -> bool:
        """Tell whether one more generation could be opened or routed to now. Legal on any thread."""
        ...


def decide(parts: Sequence[Part]) -> None:
    """Decide by every member's answer whether the candidate may go live. Raises RolledBack or NoRoom.

    One refusal is a veto. Lost members do not count, but at least one member must have found it fit.
    """
    for part in parts:
        if part.answer == Answer.REFUSED:
            where = f"{part.member}: " if part.member else ""
            raise RolledBack(part.code, f"{where}{part.sentence}")
    if not any(part.answer == Answer.FIT for part in parts):
        lost = "; ".join(f"{part.member}: {part.sentence}" for part in parts)
        raise NoRoom(f"no member of the engine could try it: {lost}")
