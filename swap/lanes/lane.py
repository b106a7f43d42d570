"""A lane: a KV cache bound to one generation, and the loop that steps its requests.

The loop is transformers' continuous batching. Two things are ours: every step is one turn, so that the lane's own
image is in the arena whenever its requests are computed; and outputs go to plain callables instead of asyncio
callbacks, since a callback on a closed event loop would kill the lane's thread.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from transformers import CompileConfig, ContinuousBatchingConfig, GenerationConfig
from transformers.generation.continuous_batching.continuous_api import (
    BackgroundThreadStatus,
    ContinuousBatchingManager,
    OutputRouter,
)
from transformers.generation.continuous_batching.model_runner import infer_max_single_request_tokens
from transformers.generation.continuous_batching.requests import GenerationOutput

from hotswapd.swap.resident.compilation import fail_at_limit

from .sampling import LaneSampler, Sampling, Seen, lane_processors

if TYPE_CHECKING:
    from hotswapd.swap.arena.image import Image

PAGE_TOKENS = 64
"""Tokens in a page of the cache: what a prefix must share to be computed once."""

_DEATH = 10.0
"""Seconds that a dying thread is given to fail its requests."""

_BOUNDARIES = 8
"""Step boundaries that a lane is given to let go of requests which were cancelled: it needs two or three."""


class Turns(Protocol):
    """What a lane needs of the resident."""

    model: Any

    def turn(self, image: "Image") -> AbstractContextManager[None]:
        """Hold the right to run the model with this image in the arena."""
        ...

    def hold(self, image: "Image") -> None:
        """Say that a lane needs the image."""
        ...

    def release(self, image: "Image") -> None:
        """Say that a lane does not need it any more."""
        ...


class LaneDead(Exception):
    """The lane's thread has ended, or is about to."""


@dataclass(frozen=True, slots=True)
class LaneSpec:
    """Sizes of a lane. `cache_tokens` is its KV cache, `batch_tokens` the most tokens in one step."""

    cache_tokens: int
    batch_tokens: int
    max_requests: int = 64
    compile: bool = False


Sink = Callable[[GenerationOutput, Seen], None]
"""Hears of an output, and of what the logits of its newest token say."""
_NOTHING = Seen()


class _Router(OutputRouter):
    """Gives each output to one callable, on the lane's thread."""

    def __init__(self, sink: Sink, sampler: LaneSampler) -> None:
        super().__init__()
        self._sink = sink
        self._sampler = sampler

    def deliver(self, output: GenerationOutput) -> None:
        self._sink(output, _NOTHING)

    def deliver_batch(self, outputs: list[GenerationOutput]) -> None:
        seen = self._sampler.take_seen()
        for output in outputs:
            self._sink(output, seen.get(output.request_id, _NOTHING))


class _Loop(ContinuousBatchingManager):
    """transformers' loop, with each step inside a turn."""

    def __init__(self, turn: Callable[[], AbstractContextManager[None]], **loop: Any) -> None:
        super().__init__(**loop)
        self._turn = turn
        self.fails_at_limit: bool | None = None

    def _generation_loop_body(self, batch_processor: Any, bootstrapping: bool) -> bool:
        """Do one step, or wait for requests.

        When the cache is full, the loop puts a request back and takes no new one until one has ended. It does not count
        one that was cancelled: once all of them are, it would never take a request again.
        """
        scheduler = batch_processor.scheduler
        if scheduler.block_new_requests and not scheduler.active_requests:
            scheduler.block_new_requests = False
        going_on: bool = super()._generation_loop_body(batch_processor, bootstrapping)
        return going_on

    def _generation_step(self) -> None:
        if self.fails_at_limit is not None:
            fail_at_limit(self.fails_at_limit)
        with self._turn():
            super()._generation_step()


class Lane:
    """One loop with its own cache. Legal from any thread but the lane's own, where nothing else is said."""

    def __init__(self, turns: Turns, spec: LaneSpec, sink: Sink) -> None:
        model = turns.model
        self.image: Image | None = None
        self._turns = turns
        self._compiled = spec.compile
        self._sampler = LaneSampler(model.config.get_text_config().vocab_size, model.device, spec.batch_tokens)
        self._loop = _Loop(
            self._turn,
            model=model,
            generation_config=_greedy(),
            continuous_batching_config=_loop_config(spec),
        )
        self._loop.logit_processor = lane_processors(self._sampler)
        self._loop.output_router = _Router(sink, self._sampler)

    def start(self) -> None:
        """Build the cache and start the thread."""
        self._loop.warmup()
        self._forget_all()
        self._loop.start()

    def start_again(self) -> None:
        """Start a lane whose thread has died, with an empty cache; no model is run outside of a turn for it."""
        self._loop.join(0.0, timeout=_DEATH)
        self._forget_all()
        self._loop.start()

    def fail_at_limit(self, fail: bool) -> None:
        """Say whether torch's recompile limit, hit in this lane's thread, is an error; see `compilation`."""
        if self._compiled:
            self._loop.fails_at_limit = fail

    def score(self, on: bool) -> None:
        """Say whether the log-probability of each token is computed, from the next step on."""
        self._sampler.scoring = on

    def end(self) -> None:
        """Ask the thread to end after the step that it is in; requests that are left fail."""
        self._loop.background_thread_status.request_stop(BackgroundThreadStatus.HARD_STOP, global_rank=0)
        self._loop._wake_up_loop.set()

    def join(self, seconds: float) -> None:
        """Wait for the thread's end. The loop's own `stop` would also change the model's attention back, under the
        other lanes, and collect garbage for a second.
        """
        self._loop.join(time.perf_counter(), timeout=seconds)

    @property
    def alive(self) -> bool:
        """Whether the thread runs and takes requests."""
        return self._loop.is_running() and self._loop.background_thread_status.can_accept_new_requests() is None

    @property
    def death(self) -> BaseException | None:
        """What the thread died of."""
        error: BaseException | None = self._loop.background_thread_status.fatal_error
        return error

    @property
    def longest(self) -> int:
        """The most tokens, prompt and answer, that one request may have in this cache."""
        return int(infer_max_single_request_tokens(self._processor.cache))

    def submit(self, name: str, prompt: list[int], max_tokens: int, stops: list[int], how: Sampling) -> None:
        """Queue a request that was checked before; the sink hears of each of its tokens.

        Raises LaneDead: the loop itself drops a request without a word when its thread is about to end.
        """
        vocabulary = self._loop.model.config.get_text_config().vocab_size
        taken = self._loop.add_request(
            prompt,
            request_id=name,
            max_new_tokens=max_tokens,
            streaming=True,
            eos_token_id=stops or -1,
            **how.arguments(vocabulary),
        )
        if taken is None:
            raise LaneDead("the lane's thread has ended")

    def cancel(self, name: str) -> None:
        """Drop a request at the next step boundary. The sink hears nothing more of it, or one last token."""
        self._loop.cancel_request(name)

    def clear(self) -> bool:
        """Forget everything that was cached, so that another generation may use the lane.

        For a lane whose requests have all ended or been cancelled; returns False, and changes nothing, when it still
        has one after some steps. The loop takes its mail before it pauses and reads it afterwards, so a lane that
        looks empty may have a cancelled request in hand: it must look empty at two boundaries in a row.
        Raises LaneDead when its thread dies meanwhile.
        """
        was_empty = False
        for _ in range(_BOUNDARIES):
            with self._pause():
                empty = self._loop.input_queue.empty() and not self._processor.scheduler.has_pending_requests()
                if empty and was_empty:
                    self._forget_all()
                    return True
                was_empty = empty
        return False

    def referenced_blocks(self) -> int:
        """Count cache blocks that a request holds; freed blocks stay as prefix cache and do not count."""
        allocators = self._processor.cache.cache_allocators.values()
        return sum(len(blocks) for allocator in allocators for blocks in allocator.block_table.values())

    @contextmanager
    def _pause(self) -> Iterator[None]:
        """Park the thread between two steps."""
        with ExitStack() as stack:
            try:
                stack.enter_context(self._loop.pause())
            except RuntimeError as error:
                raise LaneDead(str(error)) from error
            yield

    def _forget_all(self) -> None:
        """Make the cache as new. Memory that held something non-finite is zeroed.

        A masked score of 0 times NaN is NaN, for as long as the block is reused.
        """
        # reset(), not free_all_requests(clear_ledgers=True): that one forgets the blocks which were kept as
        # prefix cache without giving them back, so a lane would shrink with every use.
        self._processor.cache.reset()
        if self._sampler.take_non_finite():
            self._processor.cache.cache_tensor.zero_()

    @property
    def _processor(self) -> Any:
        return self._loop.batch_processor

    def _turn(self) -> AbstractContextManager[None]:
        if self.image is None:
            raise RuntimeError("a lane was stepped before it was bound to a generation")
        return self._turns.turn(self.image)


def _greedy() -> GenerationConfig:
    return GenerationConfig(do_sample=False, eos_token_id=-1, max_new_tokens=16)


def _loop_config(spec: LaneSpec) -> ContinuousBatchingConfig:
    """Every size said: left to itself each loop takes 60 to 90 % of the free memory."""
    compiled = CompileConfig(fullgraph=False, dynamic=True, mode="default") if spec.compile else None
    return ContinuousBatchingConfig(
        page_size=PAGE_TOKENS,
        num_blocks=math.ceil(spec.cache_tokens / PAGE_TOKENS),
        max_batch_tokens=spec.batch_tokens,
        max_requests_per_batch=min(spec.max_requests, spec.batch_tokens),
        max_blocks_per_request=0,
        use_async_batching=False,
        use_cuda_graph=False,
        auto_switch_to_flash=False,
        varlen_compile_config=compiled,
        q_padding_interval_size=4 if spec.compile else 0,
        kv_padding_interval_size=128 if spec.compile else 0,
        per_request_processors=True,
        max_queue_size=0,
    )
