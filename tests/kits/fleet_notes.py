"""What a fleet's replicas write down for a test: their processes, what they verify, and what they answer with."""

import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hotswapd.daemon.config.settings import Settings
from hotswapd.daemon.engines.protocol import Answer, Part
from hotswapd.daemon.fleet.endings import Unsaid
from hotswapd.daemon.fleet.serving.opened import Opened
from hotswapd.daemon.fleet.serving.piece import Piece, Wanted
from hotswapd.daemon.fleet.serving.place import Together
from hotswapd.daemon.fleet.serving.replica import ReplicaServer
from hotswapd.daemon.fleet.serving.watcher import Watcher
from hotswapd.daemon.fleet.wire import OtherVersion, Packed, unpacked
from hotswapd.daemon.ledger.generation import BASE_DIGEST

VETO = "a failpoint refuses it"
_ONCE, _ALWAYS = "veto", "odd"


@dataclass(frozen=True)
class Notes:
    """Files in a directory, for each replica: its process, when it verified a digest, when it answered with it first.

    The moments are of `time.monotonic`, which all processes of a machine share.
    """

    room: Path

    def write(self, kind: str, member: str, line: str) -> None:
        with self._path(kind, member).open("a") as file:
            file.write(f"{time.monotonic()} {line}\n")

    def pids(self) -> dict[str, int]:
        """Return the processes of the replicas that live, by their names."""
        found = {}
        for path in self.room.glob("pid-*"):
            pid = int(path.read_text().split()[-1])
            with suppress(ProcessLookupError):
                os.kill(pid, 0)
                found[_member(path)] = pid
        return found

    def first(self, kind: str, member: str) -> dict[str, float]:
        """Return when a replica first wrote each line of a kind: ``verified`` or ``answered``, by digest."""
        path = self._path(kind, member)
        lines = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
        return {digest: float(at) for at, digest in reversed(lines)}

    def unverified(self) -> list[str]:
        """Name every replica with a digest that it answered with and had not verified until then."""
        found = []
        for path in self.room.glob("answered-*"):
            member = _member(path)
            verified = self.first("verified", member)
            answered = self.first("answered", member)
            found += [f"{member} {one}" for one, at in answered.items() if verified.get(one, at) >= at]
        return found

    def answering(self) -> int:
        """Count the pairs of a replica and a digest that it has answered with."""
        return sum(len(self.first("answered", _member(path))) for path in self.room.glob("answered-*"))

    def ask_for_a_veto(self) -> None:
        """Have one replica refuse the next adapter."""
        (self.room / _ONCE).touch()

    def spoil_a_card(self) -> None:
        """Have one replica refuse every adapter from now on."""
        (self.room / _ALWAYS).touch()

    def spoilt(self) -> str:
        """Name the replica that refuses every adapter; empty if none has been asked for one yet."""
        return next(map(_member, self.room.glob(f"{_ALWAYS}-*")), "")

    def vetoes(self, member: str) -> bool:
        """Tell whether this replica is one that refuses the adapter at hand: the first to ask is."""
        mine = self._path(_ALWAYS, member)
        with suppress(FileNotFoundError):
            (self.room / _ALWAYS).rename(mine)
        with suppress(FileNotFoundError):
            (self.room / _ONCE).unlink()
            return True
        return mine.exists()

    def _path(self, kind: str, member: str) -> Path:
        return self.room / f"{kind}-{member.replace('#', '+')}"


def _member(path: Path) -> str:
    return path.name.partition("-")[2].replace("+", "#")


class NotingReplica(ReplicaServer):
    """Writes down what it verifies and answers with; one of them refuses an adapter where a file says so."""

    def __init__(self, settings: Settings, together: Together, room: Path) -> None:
        self._notes = Notes(room)
        self._answered = {BASE_DIGEST}
        super().__init__(settings, together)

    def _make(self, opened: Opened, together: Together, unsaid: Unsaid) -> Any:
        engine, notes, member = opened.engine, self._notes, self._member
        notes.write("pid", member, str(os.getpid()))
        check, verify = engine.check, engine.verify

        def noted(staged: Any, parts: Sequence[Part]) -> Sequence[Part]:
            if parts[0].answer == Answer.FIT:
                notes.write("verified", member, staged.digest)
            return parts

        def picky(staged: Any, *more: Any) -> Sequence[Part]:
            if notes.vetoes(member):
                return (Part("", Answer.REFUSED, "probe_not_finite", VETO),)
            return noted(staged, verify(staged, *more))

        engine.check = lambda staged: noted(staged, check(staged))  # type: ignore[method-assign,assignment,return-value]
        engine.verify = picky  # type: ignore[method-assign,assignment]
        return super()._make(opened, together, unsaid)

    async def answer(self, wanted: object, avoid: tuple[str, ...] = ()) -> AsyncIterator[Packed]:
        """Answer as it would without notes, and note each digest once, at its first message with tokens."""
        digest = BASE_DIGEST
        with suppress(OtherVersion):  # it is refused below
            digest = unpacked(Wanted, wanted).tag.digest
        async for piece in super().answer(wanted, avoid):
            if unpacked(Piece, piece).tokens and digest not in self._answered:
                self._answered.add(digest)
                self._notes.write("answered", self._member, digest)
            yield piece


class SeenWatcher(Watcher):
    """The watcher itself, and its process, which tests kill."""

    async def pid(self) -> int:
        return os.getpid()
