"""How much work or how many descriptors something takes, whatever else the machine does meanwhile."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

FROZEN = 60.0
"""Seconds of this thread's own processor time: a hundred times what anything here needs, and far below what it guards
against, which are inputs that keep other programs busy for hours."""


def calls(work: Callable[[], Any]) -> int:
    """Do some work, and return how many functions it called on this thread, built-in ones included."""
    counted = 0

    def count(_: FrameType, event: str, __: Any) -> None:
        nonlocal counted
        counted += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(before)
    return counted


def held_open(place: Path) -> list[str]:
    """Name what this process has open at a place or below; what others left open elsewhere may close at any time."""
    found = []
    for fd in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # it was that of the listing itself, or another thread's
            found.append(os.readlink(f"/proc/self/fd/{fd}"))
    return sorted(path for path in found if path == str(place) or path.startswith(f"{place}/"))


@contextmanager
def unfrozen() -> Iterator[None]:
    """Fail if what is done here takes so much work that a daemon would look frozen."""
    started = time.thread_time()
    yield
    spent = time.thread_time() - started
    assert spent < FROZEN, f"{spent:.0f} s of work"
