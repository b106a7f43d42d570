"""A clock that a test turns by hand."""

import threading


class Clock:
    """Seconds that pass only when told to; stands in for `time.monotonic` and `time.time`."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


class LookedAt(Clock):
    """A clock that a thread of this name looks at again and again; `pass_by` waits until it has."""

    def __init__(self, thread: str) -> None:
        super().__init__()
        self._thread = thread
        self._looked = threading.Event()

    def __call__(self) -> float:
        if threading.current_thread().name == self._thread:
            self._looked.set()
        return super().__call__()

    def pass_by(self, seconds: float) -> None:
        """Let time pass, and wait until the thread has seen that."""
        self.now += seconds
        for _ in range(2):  # the first look may have begun before
            self._looked.clear()
            assert self._looked.wait(30.0), f"the thread {self._thread} does not look"
