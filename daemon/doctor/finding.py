"""What a check has found."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from hotswapd.daemon.config.settings import Settings


class Outcome(StrEnum):
    """How bad it is. Only what FAILS would stop the daemon, or a source of it, for good."""

    FINE = "fine"
    NOTE = "note"
    FAILS = "fails"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at, in a sentence, and what to do about it."""

    check: str
    outcome: Outcome
    sentence: str
    remedy: str = ""


Check = Callable[[Settings | None], Iterable[Finding]]
"""Looks at one thing. Without settings only the machine is judged. Changes nothing, and raises nothing that a user can
cause."""


def fine(check: str, sentence: str) -> Finding:
    """Report something that is as it should be."""
    return Finding(check, Outcome.FINE, sentence)


def note(check: str, sentence: str, remedy: str = "") -> Finding:
    """Report something worth knowing that stops nothing."""
    return Finding(check, Outcome.NOTE, sentence, remedy)


def fails(check: str, sentence: str, remedy: str) -> Finding:
    """Report something that would stop the daemon or a source."""
    return Finding(check, Outcome.FAILS, sentence, remedy)
