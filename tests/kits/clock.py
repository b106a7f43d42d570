"""A clock that a test turns by hand."""


class Clock:
    """Seconds that pass only when told to; stands in for `time.monotonic` and `time.time`."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds
