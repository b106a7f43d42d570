"""Waiting for a condition, with a limit that only a hang reaches."""

import time
from collections.abc import Callable


def until(condition: Callable[[], object], otherwise: str, limit: float = 30.0) -> None:
    """Poll until the condition holds; fail with a sentence if it never does."""
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end, otherwise
        time.sleep(0.0005)
