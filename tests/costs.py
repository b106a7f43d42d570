"""How much work something takes, told so that a slow or a crowded machine does not change the answer."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


@contextmanager
def unfrozen() -> Iterator[None]:
    """Fail if what is done here takes so much work that a daemon would look frozen."""
    started = time.thread_time()
    yield
    spent = time.thread_time() - started
    assert spent < FROZEN, f"{spent:.0f} s of work"
