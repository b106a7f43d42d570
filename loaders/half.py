"""A pair of files of which only one was replaced: how long it waits for the other."""

from .codes import WaitingCode
from .files import CONFIG, WEIGHTS, FileName
from .source import Waiting

PATIENCE: dict[FileName, float] = {CONFIG: 600.0, WEIGHTS: 30.0}
"""Seconds for which one that was replaced alone waits: weights may arrive minutes after a new config, but a config
never takes minutes after new weights."""


def half_replaced(replaced: FileName, left: float, remedy: str) -> Waiting:
    """Return that it waits; `left` is in seconds, `remedy` is half a sentence on what ends the wait at once."""
    other = WEIGHTS if replaced == CONFIG else CONFIG
    return Waiting(
        WaitingCode.HALF_REPLACED,
        f"{replaced} is new and {other} is still the old one: if they belong together, they are taken in {left:.0f} s; "
        f"{remedy}",
    )
