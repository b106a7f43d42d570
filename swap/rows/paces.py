"""What a request's steps took, by what was in them: a step's time says nothing without its load. No torch."""

from dataclasses import dataclass, field

Load = tuple[int, int]
"""The tokens that a step computed and those that it looked back at, both to the next power of two."""


def load_of(tokens: int, context: int) -> Load:
    """Return the load of a step with so many tokens, which have so many in the cache before them."""
    return tokens.bit_length(), context.bit_length()


@dataclass(slots=True)
class Paces:
    """Steps and seconds by load. For the loop's thread."""

    found: dict[Load, tuple[int, float]] = field(default_factory=dict)

    def add(self, load: Load, seconds: float) -> None:
        """Count a step in which the request got a token."""
        steps, total = self.found.get(load, (0, 0.0))
        self.found[load] = steps + 1, total + seconds

    def means(self) -> tuple[tuple[Load, float], ...]:
        """Return the mean seconds of a step, by load."""
        return tuple((load, total / steps) for load, (steps, total) in self.found.items())
