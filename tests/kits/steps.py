"""What the steps of a loop were given and gave, recorded beside it."""

from typing import Any

import torch

from hotswapd.swap.rows.loop import Loop
from hotswapd.swap.rows.tickets import Ticket


class Steps:
    """Records each step of a loop from now on: who was in it, and the logits that each token was drawn from."""

    def __init__(self, loop: Loop) -> None:
        self.taken: list[dict[str, int]] = []
        """For each step the tokens that it computed of each request."""
        self.mixes: list[set[int]] = []
        """For each step the generations in it."""
        self._logits: dict[str, list[torch.Tensor]] = {}
        runner: Any = loop._runner
        drawer: Any = loop._drawer
        run, draw = runner.run, drawer.draw

        def recorded_run(pieces: Any) -> Any:
            ran = run(pieces)
            self.taken.append({one.sequence.ticket.name: one.count for one in pieces})
            self.mixes.append({one.sequence.ticket.generation for one in pieces})
            return ran

        def recorded_draw(logits: torch.Tensor, sequences: Any) -> Any:
            for row, one in zip(logits, sequences, strict=True):
                self._logits.setdefault(one.ticket.name, []).append(row.clone())
            return draw(logits, sequences)

        runner.run, drawer.draw = recorded_run, recorded_draw

    def logits(self, ticket: Ticket) -> torch.Tensor:
        """Return the logits of each token of an answer, (tokens, vocabulary)."""
        return torch.stack(self._logits[ticket.name])

    def computed(self, ticket: Ticket) -> int:
        """Count the tokens that were computed for a request: fewer than it has where it found a prefix."""
        return sum(step.get(ticket.name, 0) for step in self.taken)
