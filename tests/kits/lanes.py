"""What the tests of lanes share: tiny bases with adapters far apart, their references, and a listener."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import torch._dynamo
from torch._dynamo.callback import callback_handler

from hotswapd.swap.berths.image import Image
from hotswapd.swap.engine import Engine
from hotswapd.swap.rows.asks import Ask
from hotswapd.swap.rows.candidate import Candidate
from hotswapd.swap.rows.lanes import LaneRequest, Progress, Ticket
from hotswapd.swap.rows.sampling import Sampling
from hotswapd.swap.rows.sizes import EngineSpec
from hotswapd.swap.resident.base import ResidentSpec
from hotswapd.swap.resident.resident import Resident
from kits.adapters import greedy, make_adapter, oracle_model
from kits.models import tiny

LONG = 60.0
"""Seconds after which a test that waits for a lane has failed."""

SHORT_ASK = (5, 6, 7)
ADAPTERS = 4


@cache
def home() -> Path:
    """Make a base and its adapters once for the whole run."""
    directory = Path(mkdtemp(prefix="hotswapd-lanes-"))
    base = tiny("llama", directory / "base")
    for index in range(ADAPTERS):
        make_adapter(
            base, directory / f"adapter-{index}", seed=index, rank=(2, 4, 8, 16)[index], alpha=(8, 32)[index % 2]
        )
    return directory


def adapter(index: int) -> Path:
    """Name one of the adapters."""
    return home() / f"adapter-{index}"


@cache
def _reference_model(index: int | None) -> Any:
    return oracle_model(home() / "base", None if index is None else adapter(index))


@cache
def reference(index: int | None, prompt: tuple[int, ...], tokens: int) -> tuple[int, ...]:
    """Compute what a fresh PEFT load answers greedily; None is the bare base."""
    return tuple(greedy(_reference_model(index), list(prompt), tokens))


class Listener:
    """Receives a request's events to its end."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.begun = threading.Event()
        self.last = Progress(())

    def __call__(self, progress: Progress) -> None:
        self.last = progress
        self.begun.set()
        if progress.finish is not None:
            self.ended.set()

    def wait(self) -> Progress:
        """Wait for the end of the answer."""
        assert self.ended.wait(LONG), "the lane gave no answer"
        return self.last


class Held(Listener):
    """Receives a long answer, and holds its lane between two steps after 350 tokens until `let_go` is set.

    So what a test does meanwhile happens while the answer is in flight, however slow the machine is.
    """

    def __init__(self) -> None:
        super().__init__()
        self.let_go = threading.Event()

    def __call__(self, progress: Progress) -> None:
        super().__call__(progress)
        if len(progress.token_ids) == 350:
            assert self.let_go.wait(LONG)


class Bench:
    """A warm engine, and the generations that were made live on it."""

    def __init__(self, engine: Engine, freed: threading.Event) -> None:
        self.engine = engine
        self._freed = freed
        self.resident = engine.resident
        self.lanes = engine.lanes
        self.made: dict[int, int | None] = {0: None}

    def swap(self, index: int) -> Image:
        """Take an adapter all the way to live, as the worker does."""
        image = self.resident.stage(self.resident.admit(adapter(index)), digest=f"{index:064x}")
        number = max(self.made) + 1
        self.made[number] = index  # before anybody can be answered by it
        try:
            self.resident.verify(image)
            self.resident.commit(image, number, self.lanes.go_live)
        except BaseException:
            del self.made[number]
            raise
        finally:
            self.resident.drop(image)
        return image

    def await_room(self) -> None:
        """Wait until a generation could go live, as the worker does: woken, not asking again and again."""
        while True:
            self._freed.clear()
            if self.lanes.room():
                return
            assert self._freed.wait(LONG), "no lane ever became free"

    def ask(
        self,
        prompt: tuple[int, ...],
        tokens: int = 8,
        generation: int | Candidate | None = None,
        hear: Listener | None = None,
        **how: Any,
    ) -> tuple[Ticket, Listener]:
        """Send a request straight to the lanes, without an end-of-text token."""
        listener = Listener() if hear is None else hear
        ticket = self.lanes.submit(LaneRequest(prompt, tokens, (), Sampling(**how)), listener, generation)
        return ticket, listener

    def right(self, ticket: Ticket, listener: Listener, prompt: tuple[int, ...], tokens: int = 8) -> bool:
        """Report whether the answer is the reference of the generation that it names."""
        return listener.wait().token_ids[:tokens] == self.truth(ticket.generation, prompt, tokens)

    def truth(self, generation: int, prompt: tuple[int, ...], tokens: int) -> tuple[int, ...]:
        """Compute the reference of a generation."""
        return reference(self.made[generation], prompt, tokens)

    def complete(self, prompt: tuple[int, ...], tokens: int = 8) -> Any:
        """Answer through the engine."""
        return self.engine.complete(Ask(prompt, tokens), timeout=LONG)


def compile_afresh() -> None:
    """Forget what earlier models of this process compiled: torch counts them together, and a daemon has one model.

    A resident that is still open goes on counting, as it would if another one beside it compiled.
    """
    counting = list(callback_handler.start_callbacks)
    torch._dynamo.reset()  # forgets these too
    callback_handler.start_callbacks.extend(counting)


@contextmanager
def bench(**spec: Any) -> Iterator[Bench]:
    """Open a resident with lanes; closed again at the end, whatever happens."""
    sizes = {"context_tokens": 448, "batch_tokens": 128, "lanes": 2, "max_queue": 64, **spec}
    compile_afresh()
    resident = Resident.open(ResidentSpec(str(home() / "base"), max_rank=16, images=sizes["lanes"] + 2))
    freed = threading.Event()
    engine = Engine(resident, EngineSpec(**sizes), on_free=freed.set)
    engine.open()
    try:
        yield Bench(engine, freed)
    finally:
        engine.close(seconds=1.0)
        resident.close()
