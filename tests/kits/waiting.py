"""Waiting for a condition, with a limit that only a hang reaches."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(condition: Callable[[], T], otherwise: str | Callable[[], str], limit: float = 30.0) -> T:
    """Poll until the condition holds, and return what it gave: who looks again may find something else.

    If it never holds, fail with a sentence, which may be made then: a log from before the wait explains nothing.
    """
    end = time.monotonic() + limit
    while not (found := condition()):
        assert time.monotonic() < end, otherwise if isinstance(otherwise, str) else otherwise()
        time.sleep(0.0005)
    return found
