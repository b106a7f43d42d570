"""The engine in this process: one resident model with its berths, and every configured gate."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hotswapd.daemon.answers import ResidentStatus
from hotswapd.swap.berths.image import NO_BERTH
from hotswapd.swap.berths.pace import Pace
from hotswapd.swap.errors import BytesChanged, NoBerth, RolledBack
from hotswapd.swap.failures import is_sticky
from hotswapd.swap.gates.spec import ADMISSION, Outcome, Progress, Verdict
from hotswapd.swap.gates.turns import Surroundings
from hotswapd.swap.rows.returning import Returning

from .candidate_gates import Gates, ShortProbe, candidacy_of
from .protocol import DEFAULT, Admitted, Answer, Caller, Loaded, Part, Patient, Route, Routed, Staged, Subject
from .translated import Translated

if TYPE_CHECKING:
    from hotswapd.swap.adapter.admission import Plan
    from hotswapd.swap.adapter.base_names import Names
    from hotswapd.swap.berths.image import Image
    from hotswapd.swap.engine import Engine
    from hotswapd.swap.rows.status import PlaceStatus
    from hotswapd.swap.rows.tickets import Parked


@dataclass(slots=True, eq=False)
class _Admitted(Admitted):
    plan: "Plan"


class _OnDevice(Staged):
    """A staged adapter that is an image in a berth."""

    __slots__ = ("image",)

    def __init__(self, image: "Image") -> None:
        super().__init__(image.digest, image.generation)
        self.image = image


Copies = Callable[[str], AbstractContextManager[Path]]
"""Holds the copy of a digest's bytes, compared with the digest. Raises OSError or BytesChanged. Legal on any thread."""


def _no_copy(digest: str) -> AbstractContextManager[Path]:
    raise BytesChanged(f"there is no copy of {digest[:12]}")


class ResidentEngine:
    """`engines.protocol.Engine` over the resident in this process. See the protocol for threads and errors."""

    def __init__(self, engine: "Engine", copies: "Copies | None" = None) -> None:
        """Until `configure`, the short probe is the only gate.

        What was parked and is not in memory any more comes back from `copies`.
        """
        self._caller: Caller = Patient()
        self._engine = engine
        self._resident = engine.resident
        self._gates: Gates = ShortProbe(engine.resident)
        self._opened: set[int] = set()
        self._copies: Copies = copies or _no_copy
        self._moving = threading.RLock()
        """Held while a berth is given or taken: two threads do."""
        self._returning = Returning(engine.rows, self._bring, engine.resident.drop)

    def start(self) -> None:
        """Begin to bring back what was parked, on a thread of its own. Call once."""
        self._returning.start()

    def stop(self, seconds: float) -> None:
        """Bring nothing back any more. Legal on any thread."""
        self._returning.stop(seconds)

    def configure(self, make: "Callable[[Engine, Surroundings], Gates]") -> None:
        """Verify by the gates that `make` returns. If it raises, nothing changes. On the worker's thread."""
        around = Surroundings(self._engine.busy, self._rest, self._give_way, self._progress, self._engine.clock)
        self._gates = make(self._engine, around)

    def allow_bases(self, names: tuple[str, ...], how: "Names") -> None:
        """Admit adapters that name one of these as their base, from now on. On the worker's thread."""
        self._resident.accept_bases(names, how)

    @property
    def contract_fingerprint(self) -> str:
        """A digest that changes whenever the engine's contract changes."""
        return self._resident.contract.fingerprint

    @property
    def base_fingerprint(self) -> str:
        """That of the base that is served; empty if it is unknown."""
        return self._resident.contract.base_fingerprint

    def describe(self) -> ResidentStatus:
        """Describe the model as ``GET /status`` does. Legal on any thread."""
        resident = self._resident
        return {
            "device": str(resident.device),
            "dtype": resident.contract.dtype,
            "slots": len(resident.contract.slots),
            "max_rank": resident.contract.max_rank,
            "berths": resident.berths.count,
            "berth_bytes": resident.layout.size,
            "cache_tokens": self._engine.cache_tokens,
            "one_at_a_time": self._engine.plain or None,
            "compiled": self._engine.compiled,
            "recompiles": resident.recompiles,
        }

    def admit(self, artifact: Path, digest: str) -> Admitted:
        """Read the header and the configuration, and compare them with the slots; read no tensor."""
        return _Admitted(artifact, digest, self._resident.admit(artifact))

    def stage(self, admitted: Admitted, caller: Caller) -> Staged:
        """Lay the adapter out in a free berth. It does not give way, but paces itself beside requests."""
        assert isinstance(admitted, _Admitted)
        for warning in admitted.plan.warnings:
            caller.verdict(Verdict(ADMISSION, Outcome.WARNED, warning.code, str(warning)))
        with Translated():
            return _OnDevice(self._stage(admitted.plan, admitted.digest))

    def _stage(self, plan: "Plan", digest: str) -> "Image":
        """Lay it out in a free berth; what is live and has no requests gives its own if none is. Raises NoBerth."""
        with self._moving:
            while True:
                try:
                    return self._resident.stage(plan, digest, Pace(self._engine.busy))
                except NoBerth:
                    if not self._engine.rows.park_idle():
                        raise

    def _bring(self, parked: "Parked") -> "Image":
        """Lay out again what was parked, on the thread of `Returning`. Raises NoBerth, and what its bytes raise."""
        with self._moving:
            kept = self._resident.berths.kept(parked.number)
            if kept is not None:
                self._resident.hold(kept)
                return kept
            remembered = self._engine.stage_from_memory(parked.digest)
            if remembered is not None:
                return remembered
            with self._copies(parked.digest) as directory:
                return self._resident.stage(self._resident.admit(directory), parked.digest, Pace(self._engine.busy))

    def check(self, staged: Staged) -> tuple[Part, ...]:
        """Run the short probe: a few prompts, whose logits must be finite and of a usual size."""
        try:
            with Translated():
                self._resident.verify(_image(staged))
        except RolledBack as error:
            return (Part("", Answer.REFUSED, error.code, error.sentence),)
        return (Part(),)

    def verify(self, staged: Staged, subject: Subject, caller: Caller) -> tuple[Part, ...]:
        """Run every gate in the candidate's own berth, in turns between the steps of requests."""
        try:
            with Translated(), self._calling(caller), self._live_held(subject) as live:
                self._gates.run(candidacy_of(_image(staged), subject, live), caller.verdict)
        except RolledBack as error:
            return (Part("", Answer.REFUSED, error.code, error.sentence),)
        return (Part(),)

    def prepare(self, caller: Caller) -> bool:
        """Read the gates' texts with the base, unless they were read before."""
        with self._calling(caller):
            return self._gates.prepare()

    def open(self, staged: Staged, number: int) -> None:
        """Answer requests that name it from its berth."""
        image = _image(staged)
        self._engine.rows.open(image, number)
        self._engine.score(True)
        self._opened.add(number)
        staged.number = number

    @contextmanager
    def route(self, staged: Staged, number: int, name: str = DEFAULT) -> Iterator[Routed]:
        """Send new requests for this name to its berth when the body has ended well: nothing is copied."""
        routed = Routed()
        yield routed
        routed.pause = self._engine.rows.route(_image(staged), number, name)
        staged.number = number
        self._end_scoring(number)  # if it was open beside the live one, it has become the live one

    @contextmanager
    def route_together(self, routes: Sequence[Route]) -> Iterator[Routed]:
        """Change all of these routes under one lock when the body has ended well."""
        routed = Routed()
        yield routed
        several = [(_image(one), number, name) for one, number, name in routes]
        routed.pause = self._engine.rows.route_together(several, routed.then)
        for staged, number, _ in routes:
            staged.number = number
            self._end_scoring(number)

    def park(self, number: int, digest: str, name: str) -> None:
        """Let it wait in the store until it is asked for."""
        self._engine.rows.park(number, digest, name)

    def spare(self) -> bool:
        """Tell whether a berth is free, or holds what nobody needs."""
        return self._resident.berths.room()

    def unroute(self, name: str) -> None:
        """Take its route away and fail its requests."""
        self._engine.rows.end(name, f"the channel {name} was removed")

    def close(self, number: int) -> None:
        """Take no new requests for it; those under way run to their end."""
        self._end_scoring(number)
        self._engine.rows.close(number)

    @contextmanager
    def _live_held(self, subject: Subject) -> "Iterator[Image]":
        rows, base = self._engine.rows, self._resident.base_image
        with self._moving:
            live = (rows.live(subject.name) if subject.live is None else rows.image(subject.live)) or base
            self._resident.hold(live)
        try:
            yield live
        finally:
            self._resident.release(live)

    @contextmanager
    def _calling(self, caller: Caller) -> Iterator[None]:
        before, self._caller = self._caller, caller
        try:
            yield
        finally:
            self._caller = before

    def _give_way(self) -> None:
        self._caller.give_way()

    def _rest(self, seconds: float) -> None:
        self._caller.rest(seconds)

    def _progress(self, progress: Progress) -> None:
        self._caller.progress(progress)

    def _end_scoring(self, number: int) -> None:
        self._opened.discard(number)
        self._engine.score(bool(self._opened))

    def drop(self, staged: Staged) -> None:
        """Release the image; one that was live keeps its berth until that is needed."""
        self._resident.drop(_image(staged))

    def find(self, number: int) -> Staged | None:
        """Search what is served, then the berths that are kept for a quick return."""
        resident = self._resident
        with self._moving:
            served = self._engine.rows.image(number) or resident.berths.kept(number)
            image = resident.base_image if number == 0 else served
            if image is None:
                return None
            resident.hold(image)
            return _OnDevice(image)

    def norms(self, staged: Staged) -> Mapping[str, float]:
        """Measure the image itself, on the device."""
        return self._resident.norms(_image(staged))

    def is_lost(self, error: BaseException) -> bool:
        """Tell whether every later call on the device will fail as well."""
        return is_sticky(error)

    def loaded(self) -> Sequence[Loaded]:
        """List what is served or still answers, and what else lies in a berth."""
        served = self._engine.rows.status()
        there = {one.berth for one in served}
        beside = [one for one in self._resident.berths.images() if one.berth not in there]
        return [_loaded(one) for one in served] + [_idle(one) for one in beside]

    def room(self) -> bool:
        """Tell whether a berth could be taken, from what is live and has no requests if need be."""
        return self._resident.berths.room() or self._engine.rows.may_park()


def _loaded(one: "PlaceStatus") -> Loaded:
    berth = None if one.berth == NO_BERTH else one.berth
    return Loaded(one.generation, one.digest, one.active, one.waiting, berth, one.names, one.use)


def _idle(image: "Image") -> Loaded:
    use = "candidate" if image.generation is None else "previous"
    return Loaded(image.number, image.digest, berth=image.berth, use=use)


def _image(staged: Staged) -> "Image":
    assert isinstance(staged, _OnDevice)  # made by this engine
    return staged.image
