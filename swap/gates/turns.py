"""Turns for gates: short, paced so that serving goes on, and over when the candidate's time is up."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import torch
from transformers import DynamicCache

from hotswapd.swap.berths.image import Image
from hotswapd.swap.codes import GateCode
from hotswapd.swap.errors import Interrupted, RolledBack
from hotswapd.swap.failures import Contained

from .spec import Limits, OnProgress, Progress

__all__ = ["GateTurns", "Interrupted", "Surroundings", "Visitor", "forward"]

T = TypeVar("T")
_AS_A_REQUEST = 0.5
"""Share of the time that a short gate may hold the model while requests are answered: every second step."""


class Visitor(Protocol):
    """What gates need of the resident."""

    model: Any

    def visit(self, image: Image) -> Any:
        """Hold the right to run the model, all of it with this image."""
        ...


@dataclass(slots=True)
class Surroundings:
    """What is around a gate. `busy` tells whether requests are being answered, `rest` waits for so many seconds.

    `between` is called between two turns, and may raise Interrupted; `on_progress` is told how far it is.
    """

    busy: Callable[[], bool] = lambda: False
    rest: Callable[[float], None] = time.sleep
    between: Callable[[], None] = lambda: None
    on_progress: OnProgress = lambda _: None
    clock: Callable[[], float] = time.monotonic


class GateTurns:
    """One candidate's turns. For the worker's thread.

    While requests are being answered it rests after each turn, long enough to hold the model for no more than a share
    of the time: serving keeps the rest. A short gate takes every second step; one that may be long gets
    `max_share`.
    """

    def __init__(self, resident: Visitor, limits: Limits, around: Surroundings) -> None:
        self.turns, self.held, self.rested = 0, 0.0, 0.0
        self._resident = resident
        self._limits = limits
        self._around = around
        self._ends = around.clock() + limits.timeout
        self.progress = Progress("")
        self._share = max(_AS_A_REQUEST, limits.max_share)

    def be_long(self) -> None:
        """Take no more than `max_share` of the time from now on: what follows may take long."""
        self._share = self._limits.max_share

    def at(self, progress: Progress) -> None:
        """Report how far a gate is."""
        self.progress = progress
        self._around.on_progress(progress)

    def advance(self, tokens: int) -> None:
        """Report that so many more tokens are done."""
        now = self.progress
        self.at(Progress(now.gate, now.done + tokens, now.total))

    def run(self, image: Image, work: Callable[[Any], T]) -> T:
        """Run `work(model)` in a turn with this image. Raises RolledBack when time is up, or Interrupted."""
        self.check()
        with Contained(), self._resident.visit(image), torch.inference_mode():
            began = self._around.clock()
            result = work(self._resident.model)
        held = self._around.clock() - began
        self.turns += 1
        self.held += held
        if self._around.busy():
            pause = held * (1.0 / self._share - 1.0)
            self.rested += pause
            self._around.rest(pause)
        return result

    def check(self) -> None:
        """Give way to what comes first, then raise RolledBack if the candidate's time is up. Raises Interrupted too."""
        self._around.between()
        now = self.progress
        if self._around.clock() > self._ends:
            raise RolledBack(
                GateCode.VERIFY_TIMEOUT,
                f"its gates took longer than verify.timeout = {self._limits.timeout:g} s; gate {now.gate} had done "
                f"{now.done} of {now.total} tokens; raise it, or give the gates less to do",
            )

    def cache(self) -> DynamicCache:
        """Make an empty KV cache for one text."""
        return DynamicCache(config=self._resident.model.config.get_text_config())

    def pieces(self, length: int) -> list[tuple[int, int]]:
        """Cut a length into pieces that fit into a turn."""
        step = self._limits.turn_tokens
        return [(start, min(start + step, length)) for start in range(0, length, step)]

    def numbers(self) -> dict[str, float]:
        """Report how much was done: turns, the seconds that they took, and tokens."""
        return {"turns": float(self.turns), "held_seconds": self.held, "done_tokens": float(self.progress.done)}

    @property
    def tokens(self) -> int:
        """The most tokens that one turn may take."""
        return self._limits.turn_tokens


def forward(model: Any, ids: torch.Tensor, cache: DynamicCache | None = None) -> torch.Tensor:
    """Compute logits (rows, tokens, vocabulary) in float32 of ids (rows, tokens) that follow those in the cache."""
    output = model(input_ids=ids, past_key_values=cache, use_cache=cache is not None)
    logits: torch.Tensor = output.logits.float()
    return logits
