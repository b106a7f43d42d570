"""What the tests of rows share: tiny bases with adapters far apart, their references, and a listener."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
import torch
import torch._dynamo
from torch._dynamo.callback import callback_handler

from hotswapd.swap.berths.image import Image
from hotswapd.swap.engine import Engine
from hotswapd.swap.resident.resident import Resident
from hotswapd.swap.resident.spec import ResidentSpec
from hotswapd.swap.rows.asks import Ask
from hotswapd.swap.rows.candidate import Candidate
from hotswapd.swap.rows.ended import Ended
from hotswapd.swap.rows.loop import Loop
from hotswapd.swap.rows.sampling import Sampling
from hotswapd.swap.rows.spec import EngineSpec
from hotswapd.swap.rows.tickets import Progress, Ticket
from hotswapd.swap.rows.trial import Tried
from kits.adapters import greedy, make_adapter, oracle_model
from kits.models import tiny

LONG = 60.0
"""Seconds after which a test that waits for an answer has failed."""

SHORT_ASK = (5, 6, 7)
ADAPTERS = 4
RUNNERS = ("rows", "fixed", "plain")
_ASK = frozenset(Ask.__dataclass_fields__)


@cache
def home() -> Path:
    """Make a base and its adapters once for the whole run."""
    directory = Path(mkdtemp(prefix="hotswapd-rows-"))
    base = tiny("llama", directory / "base")
    for index in range(ADAPTERS):
        make_adapter(
            base, directory / f"adapter-{index}", seed=index, rank=(2, 4, 8, 16)[index], alpha=(8, 32)[index % 2]
        )
    return directory


def adapter(index: int) -> Path:
    """Name one of the adapters."""
    return home() / f"adapter-{index}"


def digest_of(index: int) -> str:
    """Name an adapter by a digest; that of zeros is the base's."""
    return f"{index + 1:064x}"


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
        self.prompt_logprobs: tuple[Any, ...] = ()

    def __call__(self, progress: Progress) -> None:
        self.last = progress
        self.prompt_logprobs = progress.prompt_logprobs or self.prompt_logprobs
        self.begun.set()
        if progress.finish is not None:
            self.ended.set()

    def wait(self) -> Progress:
        """Wait for the end of the answer."""
        assert self.ended.wait(LONG), "the loop gave no answer"
        return self.last


class Held(Listener):
    """Receives a long answer, and holds the loop between two steps after `at` tokens until `let_go` is set.

    So what a test does meanwhile happens while the answer is in flight, however slow the machine is.
    """

    def __init__(self, at: int = 1) -> None:
        super().__init__()
        self.let_go = threading.Event()
        self._at = at

    def __call__(self, progress: Progress) -> None:
        super().__call__(progress)
        if len(progress.token_ids) == self._at and progress.finish is None:
            assert self.let_go.wait(LONG)


class Bench:
    """A warm engine, and the generations that were made live on it."""

    def __init__(self, engine: Engine, freed: threading.Event) -> None:
        self.engine = engine
        self._freed = freed
        self.resident = engine.resident
        self.rows = engine.rows
        self.made: dict[int, int | None] = {0: None}

    @property
    def loop(self) -> Loop:
        """The loop that steps the requests."""
        assert self.rows.loop is not None
        return self.rows.loop

    @property
    def live(self) -> Image:
        """What answers who asks for no generation."""
        image = self.rows.live()
        assert image is not None
        return image

    def stage(self, index: int) -> Image:
        """Lay an adapter out in a berth that the caller holds."""
        return self.resident.stage(self.resident.admit(adapter(index)), digest=digest_of(index))

    def swap(self, index: int, name: str = "default") -> Image:
        """Take an adapter all the way to live, as the worker does."""
        image = self.stage(index)
        try:
            self.resident.verify(image)
            self.route(image, index, name)
        finally:
            self.resident.drop(image)
        return image

    def route(self, image: Image, index: int, name: str = "default") -> int:
        """Make an image that is held live as the next generation, and return its number."""
        number = max(self.made) + 1
        self.made[number] = index  # before anybody can be answered by it
        self.engine.route(image, number, name)
        return number

    def open(self, index: int) -> Image:
        """Answer requests that ask for this adapter by its number, beside what is live."""
        image = self.stage(index)
        number = max(self.made) + 1
        self.made[number] = index
        self.rows.open(image, number)
        self.resident.drop(image)
        return image

    def await_room(self) -> None:
        """Wait until an adapter could be staged, as the worker does: woken, not asking again and again."""
        while True:
            self._freed.clear()
            if self.resident.berths.room():
                return
            assert self._freed.wait(LONG), "no berth ever became free"

    def ask(
        self,
        prompt: tuple[int, ...],
        tokens: int = 8,
        generation: int | Candidate | None = None,
        hear: Listener | None = None,
        **how: Any,
    ) -> tuple[Ticket, Listener]:
        """Send a request that no token ends; `how` are fields of the Ask or of its Sampling."""
        listener = Listener() if hear is None else hear
        fields = {name: how.pop(name) for name in list(how) if name in _ASK}
        fields = {"ignore_eos": True, "generation": generation, **fields}
        ticket = self.rows.submit(Ask(prompt, tokens, sampling=Sampling(**how), **fields), listener)
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
def bench(
    berths: int = 4,
    dtype: str = "float32",
    base: Path | None = None,
    *,
    runner: str = "rows",
    on_ended: Callable[[Ended], None] = lambda _: None,
    **spec: Any,
) -> Iterator[Bench]:
    """Open a resident with its loop; closed again at the end, whatever happens.

    `runner` is one of `RUNNERS`: "plain" computes one request after another, "fixed" has the steps of fixed shape that
    CUDA captures, without compiling them.
    """
    sizes = {"context_tokens": 448, "batch_tokens": 128, "max_queue": 64, **spec}
    compile_afresh()
    resident = Resident.open(ResidentSpec(str(base or home() / "base"), max_rank=16, berths=berths, dtype=dtype))
    freed = threading.Event()
    if runner == "fixed":
        sizes["compile"] = True
    engine = Engine(resident, EngineSpec(**sizes), on_free=freed.set, on_request_end=on_ended)
    try:
        with pytest.MonkeyPatch.context() as patch:
            if runner == "fixed":
                patch.setattr(torch, "compile", lambda forward, **_: forward)
            if runner == "plain":
                patch.setattr("hotswapd.swap.engine.try_runners", lambda _: Tried({}, why="a test wants it so"))
            engine.open()
        yield Bench(engine, freed)
    finally:
        engine.close(seconds=1.0)
        resident.close()
