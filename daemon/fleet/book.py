"""An ingress's book: which generation it gives each request, and which ones it is answering with."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from hotswapd.daemon.ledger.generation import BASE_DIGEST
from hotswapd.swap.rows.tickets import NoGeneration

from .keeping import UnderWay
from .shared.pointer import Pointer

_NOTHING: Mapping[int, str] = {}


@dataclass(frozen=True, slots=True)
class Tag:
    """What answers a request: the only generation that may. `serial` is that of the pointer that said so."""

    channel: str
    number: int
    digest: str
    serial: int


class Book:
    """For one thread: between looking at the pointer and counting the request nothing else may happen."""

    def __init__(self, ingress: str) -> None:
        """Begin with no request; `ingress` is a name that is never used again."""
        self._ingress = ingress
        self._numbers: Counter[int] = Counter()
        self._digests: dict[int, str] = {}
        self._serial = 0
        self._said = 0

    def tag(
        self, channel: str, pointer: Pointer, asked: int | None = None, beside: Mapping[int, str] = _NOTHING
    ) -> Tag:
        """Give a request what this pointer, the newest, names in its channel, or the generation that it asks for.

        `end` it. Raises NoGeneration for one that is live nowhere, is not `beside` what is, and that no request of this
        ingress has.
        """
        self._serial = max(self._serial, pointer.serial)
        number, digest = pointer.answers(channel) if asked is None else (asked, self._digest(asked, pointer, beside))
        self._numbers[number] += 1
        self._digests[number] = digest
        return Tag(channel, number, digest, pointer.serial)

    def _digest(self, number: int, pointer: Pointer, beside: Mapping[int, str]) -> str:
        known = {0: BASE_DIGEST, **self._digests, **beside, **pointer.answering()}
        if number not in known:
            raise NoGeneration(number, pointer.numbers())
        return known[number]

    def end(self, tag: Tag) -> None:
        """Note that the request has its answer, or gets none."""
        self._numbers[tag.number] -= 1
        if not self._numbers[tag.number]:
            del self._numbers[tag.number]
            del self._digests[tag.number]

    def follow(self, pointer: Pointer) -> None:
        """Note that every request from now on is given what this pointer names."""
        self._serial = max(self._serial, pointer.serial)

    def say(self) -> UnderWay:
        """Return what the watcher is told."""
        self._said += 1
        return UnderWay(self._ingress, self._said, self._serial, frozenset(self._numbers))
