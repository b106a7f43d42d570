"""Two engines without a model: one whose members do as they are told, and the daemon's own over a stand-in resident.

Tests of the pipeline run on both, so that what holds for the engine in this process holds for any other. What becomes
of an adapter is written in its bytes: those that begin with `BAD` are refused, those that begin with `SICK` fail.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hotswapd.daemon.engines.protocol import (
    DEFAULT,
    Admitted,
    Answer,
    Caller,
    Engine,
    Loaded,
    NoRoom,
    Part,
    Route,
    Routed,
    Staged,
    Subject,
)
from hotswapd.daemon.engines.resident import ResidentEngine
from hotswapd.swap.berths.image import Image
from hotswapd.swap.codes import TensorCode
from hotswapd.swap.errors import Misfit, NoBerth, Rejected, RolledBack
from hotswapd.swap.gates.spec import Outcome, Progress, Verdict
from hotswapd.swap.rows.status import PlaceStatus
from kits.folders import WEIGHTS

BAD, SICK = b"bad", b"sick"
_NO_ROOM = "every berth is in use"


@dataclass
class FakeModel:
    """What is behind either engine: it says what becomes of bytes, and what was done with them. Tests patch it."""

    tolerant: bool = False
    full: bool = False
    crowded: bool = False
    live: str = "0" * 64
    before_verify: Callable[[], None] = lambda: None
    touched: list[str] = field(default_factory=list)
    withdrawn: list[int] = field(default_factory=list)

    def admit(self, path: Path) -> bytes:
        """Read the bytes; refuse bad ones."""
        content = (path / WEIGHTS).read_bytes()
        if content.startswith(BAD) and not self.tolerant:
            raise Rejected([Misfit(TensorCode.RANK_TOO_HIGH, "r", "at most 16", "32", "train it smaller")])
        return content

    def stage(self, digest: str) -> None:
        """Take note that the bytes came onto the device."""
        self.touched.append(digest)

    def verify(self, digest: str, content: bytes) -> None:
        """Fail sick bytes."""
        self.before_verify()
        if content.startswith(SICK):
            raise RolledBack("probe_not_finite", "a probe prompt gives NaN")


@dataclass
class Member:
    """One member of a fake engine, and its orders: how long each call takes, and how it goes.

    `delay` is in seconds of `Caller.rest`; `lost` says why it does not answer, `refuses` has a code and a sentence.
    """

    name: str = ""
    delay: float = 0.0
    lost: str = ""
    refuses: tuple[str, str] | None = None
    verified: set[str] = field(default_factory=set)


class _Staged(Staged):
    __slots__ = ("content",)

    def __init__(self, digest: str, content: bytes) -> None:
        super().__init__(digest)
        self.content = content


class FakeEngine:
    """An engine of several members. It takes the protocol at its word: what is not held, or not verified, is an error.

    `holds` counts what callers have not dropped yet: nothing, when a candidate has come to its end.
    """

    def __init__(self, model: FakeModel, members: Sequence[Member] = ()) -> None:
        self.model = model
        self.members = list(members) or [Member()]
        self.holds: Counter[int] = Counter()
        self.answers: dict[int, Staged] = {0: Staged("0" * 64, 0)}
        self.routes = {DEFAULT: 0}
        self.calls: list[str] = []
        self.parked: dict[int, str] = {}

    def admit(self, artifact: Path, digest: str) -> Admitted:
        self.calls.append("admit")
        self.model.admit(artifact)
        return Admitted(artifact, digest)

    def stage(self, admitted: Admitted, caller: Caller) -> Staged:
        self.calls.append("stage")
        self._wait(caller)
        content = (admitted.artifact / WEIGHTS).read_bytes()
        self.model.stage(admitted.digest)
        return self._held(_Staged(admitted.digest, content))

    def check(self, staged: Staged) -> tuple[Part, ...]:
        return tuple(self._ask(member, staged) for member in self.members)

    def verify(self, staged: Staged, subject: Subject, caller: Caller) -> tuple[Part, ...]:
        self.calls.append("verify")
        parts = []
        for index, member in enumerate(self.members):
            caller.progress(Progress("probe", index, len(self.members)))
            self._rest(caller, member.delay)
            parts.append(part := self._ask(member, staged))
            if part.answer != Answer.LOST:
                outcome = Outcome.FAILED if part.answer == Answer.REFUSED else Outcome.PASSED
                caller.verdict(Verdict("probe", outcome, part.code, part.sentence), member.name)
        return tuple(parts)

    def prepare(self, caller: Caller) -> bool:
        return False

    def open(self, staged: Staged, number: int) -> None:
        self._require_room()
        staged.number = number
        self.answers[number] = staged

    @contextmanager
    def route(self, staged: Staged, number: int, name: str = DEFAULT) -> Iterator[Routed]:
        if self.answers.get(number) is not staged:  # else it is open, and held by the engine itself
            assert self.holds[id(staged)], "it is not held by whoever wants it live"
            self._require_room()
        yield Routed(0.001)
        self._route(staged, number, name)

    @contextmanager
    def route_together(self, routes: Sequence[Route]) -> Iterator[Routed]:
        for staged, _, _ in routes:
            assert self.holds[id(staged)], "it is not held by whoever wants it live"
        self._require_room()
        yield (routed := Routed(0.001))
        for route in routes:
            self._route(*route)
        routed.then()

    def _route(self, staged: Staged, number: int, name: str) -> None:
        staged.number = number
        self.answers[number] = staged
        before = self.routes.get(name, 0)
        self.routes[name] = number
        if name == DEFAULT:
            self.model.live = staged.digest
        if before and before not in self.routes.values():
            self.answers.pop(before, None)  # nobody asks here, so it has no requests to end

    def park(self, number: int, digest: str, name: str) -> None:
        self.routes[name] = number
        self.parked[number] = digest

    def spare(self) -> bool:
        return not self.model.crowded

    def unroute(self, name: str) -> None:
        number = self.routes.pop(name, 0)
        if number and number not in self.routes.values():
            self.close(number)

    @property
    def routed(self) -> int:
        """The generation that answers for the default name."""
        return self.routes[DEFAULT]

    def close(self, number: int) -> None:
        self.answers.pop(number, None)
        self.model.withdrawn.append(number)

    def drop(self, staged: Staged) -> None:
        self.holds[id(staged)] -= 1
        assert self.holds[id(staged)] >= 0, "it was dropped twice"

    def find(self, number: int) -> Staged | None:
        found = self.answers.get(number)
        return None if found is None else self._held(found)

    def norms(self, staged: Staged) -> Mapping[str, float]:
        return {}

    def is_lost(self, error: BaseException) -> bool:
        return False

    def loaded(self) -> Sequence[Loaded]:
        return [Loaded(number, staged.digest) for number, staged in self.answers.items()]

    def room(self) -> bool:
        return not self.model.full

    def _held(self, staged: Staged) -> Staged:
        self.holds[id(staged)] += 1
        return staged

    def _require_room(self) -> None:
        if self.model.full:
            raise NoRoom(_NO_ROOM)

    def _wait(self, caller: Caller) -> None:
        self._rest(caller, max(member.delay for member in self.members))

    def _rest(self, caller: Caller, seconds: float) -> None:
        caller.rest(seconds) if seconds else caller.give_way()

    def _ask(self, member: Member, staged: Staged) -> Part:
        if member.lost:
            return Part(member.name, Answer.LOST, sentence=member.lost)
        if member.refuses is not None:
            return Part(member.name, Answer.REFUSED, *member.refuses)
        assert isinstance(staged, _Staged)
        try:
            self.model.verify(staged.digest, staged.content)
        except RolledBack as error:
            return Part(member.name, Answer.REFUSED, error.code, error.sentence)
        member.verified.add(staged.digest)
        return Part(member.name)


class _Resident:
    """Stands for `swap.resident.Resident`: an image is its bytes, and a full model has no berth for one more."""

    def __init__(self, model: FakeModel) -> None:
        self._model = model
        self.base_image: Any = Image(None, digest="0" * 64, generation=0, holders=1)  # type: ignore[arg-type]
        self.berths = SimpleNamespace(kept=lambda number: None, images=lambda: (), room=lambda: not model.full)
        self.contract = SimpleNamespace(base_models=(), fingerprint="contract")

    def admit(self, path: Path) -> Any:
        return SimpleNamespace(content=self._model.admit(path), warnings=())

    def stage(self, plan: Any, digest: str, pace: Any = None) -> Image:
        if self._model.full:
            raise NoBerth(_NO_ROOM)
        self._model.stage(digest)
        return Image(plan.content, digest, holders=1)

    def verify(self, image: Any) -> dict[str, float]:
        self._model.verify(image.digest, image.buffer or b"")
        return {}

    def hold(self, image: Image) -> None:
        image.holders += 1

    def release(self, image: Image) -> None:
        image.holders -= 1

    drop = release


class _Rows:
    """Stands for `swap.rows.rows.Rows`: nobody asks here, so what no name and no number leads to is gone at once."""

    def __init__(self, model: FakeModel) -> None:
        self._model = model
        self._live: dict[str, Image] = {}
        self._beside: dict[int, Image] = {}

    def route(self, image: Image, number: int, name: str = DEFAULT) -> float:
        image.generation = number
        self._live[name] = image
        self._beside.pop(number, None)
        if name == DEFAULT:
            self._model.live = image.digest
        return 0.001

    def route_together(self, routes: Sequence[tuple[Image, int, str]], then: Callable[[], None]) -> float:
        took = max([self.route(*route) for route in routes])
        then()
        return took

    def live(self, name: str = DEFAULT) -> Image | None:
        return self._live.get(name)

    def end(self, name: str, why: str) -> None:
        self._live.pop(name, None)

    def park_idle(self) -> bool:
        return False

    may_park = park_idle

    def open(self, image: Image, number: int) -> None:
        image.generation = number
        self._beside[number] = image

    def close(self, number: int) -> bool:
        self._model.withdrawn.append(number)
        return self._beside.pop(number, None) is not None

    def image(self, generation: int) -> Image | None:
        return next((one for one in self._there() if one.generation == generation), None)

    def status(self) -> list[PlaceStatus]:
        return [self._status(one) for one in self._there()]

    def _there(self) -> list[Image]:
        return [*dict.fromkeys(self._live.values()), *self._beside.values()]

    def _status(self, one: Image) -> PlaceStatus:
        names = tuple(name for name, image in self._live.items() if image is one)
        return PlaceStatus(one.berth, names, one.number, one.digest, "live" if names else "canary", 0, 0)


KINDS = ("fake", "resident", "fleet")


def make_engine(kind: str, model: FakeModel) -> Engine:
    """Make one of the three kinds over a model."""
    if kind == "fleet":
        from kits.fleet_engine import make_fleet  # which is made of this module

        return make_fleet(model)
    if kind == "fake":
        return FakeEngine(model)
    engine: Any = SimpleNamespace(
        resident=_Resident(model), rows=_Rows(model), busy=lambda: False, score=lambda on: None
    )
    return ResidentEngine(engine)
