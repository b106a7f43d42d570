"""Counts compilations, in every thread, and keeps torch from giving up on them without a word."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch._dynamo import config
from torch._dynamo.callback import callback_handler
from torch._dynamo.exc import FailOnRecompileLimitHit

__all__ = ["CompileCounter", "FailOnRecompileLimitHit", "failing_at_limit"]


class CompileCounter:
    """Counts what torch.compile compiles, until it is closed.

    torch's own `error_on_recompile` is thread-local: set in one thread it does nothing in the loop's thread. The
    callback fires in all of them.
    """

    def __init__(self, on_compile: Callable[[], None] = lambda: None) -> None:
        """`on_compile` is called when a compilation begins, on the thread that waits for it; it must not raise."""
        self._lock = threading.Lock()
        self._count = 0
        self._on_compile = on_compile
        callback_handler.register_start_callback(self._started)

    @property
    def count(self) -> int:
        """Compilations so far."""
        return self._count

    def close(self) -> None:
        """Stop counting."""
        callback_handler.remove_start_callback(self._started)

    def _started(self, _: Any) -> None:
        with self._lock:
            self._count += 1
        self._on_compile()


@contextmanager
def failing_at_limit() -> Iterator[None]:
    """Make a hit of torch's recompile limit in this thread raise FailOnRecompileLimitHit until the end of the body.

    Otherwise torch runs what it did not compile uncompiled, with no more than a warning. The setting is thread-local.
    """
    before = config.fail_on_recompile_limit_hit
    config.fail_on_recompile_limit_hit = True
    try:
        yield
    finally:
        config.fail_on_recompile_limit_hit = before
