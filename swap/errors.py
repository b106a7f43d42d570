"""What can go wrong with a swap, split by what it means for the resident model. No torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from hotswapd.codes import Code

from .request_codes import DeviceCode

Failure = Literal["sticky", "memory", "other"]
"""What an error near the device means, see `failures.classify`: restart the process, ask for less, or neither."""


@dataclass(frozen=True, slots=True)
class Misfit:
    """One reason why an adapter does not meet the contract.

    `code` is stable, `place` is a config field or tensor name, `remedy` says what to do.
    """

    code: Code
    place: str
    wanted: str
    got: str
    remedy: str

    def __str__(self) -> str:
        """Return one sentence."""
        return f"{self.place}: wanted {self.wanted}, got {self.got}; {self.remedy}"


class SwapError(Exception):
    """Base of the three leaves below; never raised itself."""


class Rejected(SwapError):
    """The artifact is bad; the resident was not touched. Carries every misfit, not only the first.

    `found` is how many there are, which may be more than `misfits` lists.
    """

    def __init__(self, misfits: Sequence[Misfit], found: int = 0) -> None:
        self.misfits = tuple(misfits)
        self.found = max(found, len(self.misfits))
        super().__init__("; ".join(str(m) for m in self.misfits[:3]))

    def summary(self, longest: int = 2000) -> str:
        """Return as many misfits as fit into `longest` characters, at least the first, and how many more there are."""
        said: list[str] = []
        for misfit in self.misfits:
            sentence = str(misfit)
            longest -= len(sentence)
            if said and longest < 0:
                break
            said.append(sentence)
        more = self.found - len(said)
        return "; ".join([*said, f"and {more} more"] if more > 0 else said)

    @property
    def code(self) -> Code:
        """The first misfit's code."""
        return self.misfits[0].code


class RolledBack(SwapError):
    """The candidate failed after it touched the resident; what was live is live again, bit for bit."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


class ResidentLost(SwapError):
    """Nobody knows what the device memory holds: write the ledger, answer 503, exit with status 70."""

    code = DeviceCode.RESIDENT_LOST


class StartError(Exception):
    """Base of the ways in which a resident cannot be made; never raised itself."""


class BaseUnusable(StartError):
    """The base model cannot be loaded as configured: exit status 78."""


class BaseUnservable(BaseUnusable):
    """The base is of a kind that is never served as configured: exit status 78, before any weights are loaded."""


class NoSlots(StartError):
    """The base has no module that can carry a slot, so no adapter could ever be served: exit status 78."""


class DeviceMissing(StartError):
    """The device that was asked for is missing, perhaps not for long: exit status 75, never a CPU without a word."""


class NoBerth(Exception):
    """Every berth is in use: the candidate is HELD with `no_berth`."""


class BytesChanged(Exception):
    """Bytes that were verified are others now, in memory or on disk: nothing is answered with them."""


class Interrupted(Exception):
    """The gates were told to stop. They have no verdict on the candidate, which is to be tried again."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason
        self.sentence = sentence


def first_line(error: Exception) -> str:
    """Return the first line of what an error says, or its kind if it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
