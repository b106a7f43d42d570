"""What a fleet is bounded by."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds: for a replica to do what a change needs, for its silence, and for a retired generation's answers.

    `berths` is how many generations every replica can hold, candidates included.
    """

    patience: float = 60.0
    lease: float = 6.0
    max_drain: float = 0.0
    berths: int = 4
