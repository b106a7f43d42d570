"""Questions of the daemon's own to generations that may not be served: a few prompts, in one batch with everybody's."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from hotswapd.swap.rows.asks import Ask
from hotswapd.swap.rows.tickets import NoGeneration, Progress, QueueFull, Ticket

if TYPE_CHECKING:
    from hotswapd.swap.engine import Engine as SwapEngine

    from .protocol import Engine

Prompts = Sequence[tuple[int, ...]]
SHADOW = "shadow"
"""The tag of such requests, by which nobody counts them, and their key: together they are one user among the others."""
_LONGEST = 512
"""Tokens of a prompt that are asked at most, its last ones."""


def ask_beside(engine: "SwapEngine", held: "Engine", number: int, prompts: Prompts, most: int) -> "Asked | None":
    """Ask a generation, for so many tokens each; None if it is not on the device. For the worker's thread.

    `Asked.end` ends it. Raises ResidentLost.
    """
    staged = held.find(number)
    if staged is None:
        return None
    opens = number not in engine.rows.generations()
    if opens:
        held.open(staged, number)
    held.drop(staged)  # what is open is held until it is closed
    return Asked(engine, number, prompts, most, (lambda: held.close(number)) if opens else lambda: None)


class Asked:
    """Prompts that one generation is answering, greedily. For the worker's thread; `end` it."""

    def __init__(
        self, engine: "SwapEngine", number: int, prompts: Prompts, most: int, on_end: Callable[[], None]
    ) -> None:
        """Queue them; none if the queue is full. `on_end` is called at the end."""
        self._engine = engine
        self._on_end = on_end
        self._found: list[tuple[int, ...] | None] = [None] * len(prompts)
        self._tickets: list[Ticket] = []
        longest = min(_LONGEST, engine.context - most)
        try:
            for at, prompt in enumerate(prompts):
                ask = Ask(prompt[-longest:], most, generation=number, key=SHADOW, tag=SHADOW)
                self._tickets.append(engine.submit(ask, self._listener(at)))
        except (QueueFull, NoGeneration):
            self._found = []

    def answers(self) -> list[tuple[int, ...]] | None:
        """Return the token ids of all answers once they are complete, None before. Empty if it was not possible."""
        found = [one for one in self._found if one is not None]
        return found if len(found) == len(self._found) else None

    def end(self) -> None:
        """Drop what still runs, and answer to the number no longer if nobody else wanted that."""
        for ticket in self._tickets:
            self._engine.cancel(ticket)
        self._on_end()

    def _listener(self, at: int) -> Callable[[Progress], None]:
        found = self._found

        def hear(progress: Progress) -> None:
            if progress.finish is not None:
                found[at] = progress.token_ids

        return hear
