"""Waiting for a condition, with a limit that only a hang reaches."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
LONG = 60.0
"""Seconds after which a test that waits has failed."""


def until(
    condition: Callable[[], T], otherwise: str | Callable[[], str], limit: float = 30.0, every: float = 0.0005
) -> T:
    """Poll every so many seconds until the condition holds, and return what it gave: who looks again may find another.

    If it never holds, fail with a sentence, which may be made then: a log from before the wait explains nothing.
    """
    end = time.monotonic() + limit
    while not (found := condition()):
        assert time.monotonic() < end, otherwise if isinstance(otherwise, str) else otherwise()
        time.sleep(every)
    return found
