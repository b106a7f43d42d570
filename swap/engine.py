"""The engine: a resident with its loop, warm, that answers requests."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .berths.host import HostMemory
from .berths.image import Image
from .errors import StartError
from .failures import Contained
from .resident.base import Report
from .resident.compilation import FailOnRecompileLimitHit, failing_at_limit
from .resident.resident import Resident
from .rows.asks import DEFAULT, Ask
from .rows.cache import KVCache
from .rows.completion import Completion, Listener
from .rows.drawing import Drawer
from .rows.ended import Ended
from .rows.fixed import FixedRunner
from .rows.language import Language, usual_of
from .rows.loop import Loop
from .rows.pages import PAGE, Pages
from .rows.plain import PlainRunner
from .rows.prompts import Wanted, always
from .rows.rows import Rows
from .rows.runner import PagedRunner, Runner
from .rows.schedule import Schedule
from .rows.sizes import cache_pages, free_bytes, model_context, token_bytes
from .rows.spec import EngineSpec
from .rows.text import TextStream
from .rows.tickets import Progress, Ticket
from .rows.trial import Tried, try_runners
from .rows.warmup import warm_up

_BESIDE = {"cpu": 128}
"""Tokens of prompts in a step that answers wait for, by device; elsewhere as many as fit into a step."""


class Engine:
    """Answers requests, each with its own generation. Legal from any thread; `open` and `close` once."""

    def __init__(
        self,
        resident: Resident,
        spec: EngineSpec,
        on_free: Callable[[], None] = lambda: None,
        on_request_end: Callable[[Ended], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`on_free` is called when a berth may have become free, `on_request_end` with how each request went.

        See `Rows`. `clock` times requests and gates, in seconds; one that leaves out the time in which the process was
        frozen keeps a freeze from looking like a slow adapter.
        """
        self.resident = resident
        self.compiled = spec.compile is True
        """Whether steps are compiled: "auto" compiles nothing, since a CPU is faster so, and CUDA has graphs."""
        self.language = _language(resident, spec)
        self._spec = spec
        self.clock = clock
        self.rows = Rows(
            resident.berths,
            max_queue=spec.max_queue,
            on_free=on_free,
            on_request_end=on_request_end,
            clock=clock,
        )
        self.ends = _ends(resident.model)
        self._drawer = Drawer(self.ends)
        self.plain = ""
        """Why requests are computed one at a time, as a sentence's end; empty where they share a step."""
        self.host = HostMemory(resident.layout, spec.host_bytes or free_bytes() // 4)
        """Where adapters are that have lost their berth."""
        resident.berths.on_drop = self._keep
        self.cache_tokens = 0
        """How many tokens the cache has room for."""
        self.cache_bytes = 0
        """What the cache takes once it is full."""

    def open(self, report: Report = lambda _: None) -> None:
        """Choose how to run the base, start the loop, answer with the base, and warm up. Raises StartError."""
        began = time.monotonic()
        tried = try_runners(self.resident)
        if tried.plain:
            report(f"requests are computed one at a time, because of this base: {tried.why}")
            self.compiled = False
        report("compiling the model and warming up" if self.compiled else "warming up")
        runner, pages = self._runner(tried)
        self.rows.run(self._loop(runner, pages))
        try:
            warm_up(
                self.rows, self.resident, self.context, report, compiled=self.compiled, more=self._more(runner, report)
            )
        except BaseException:
            self.rows.stop(0.0)  # its thread would keep the process from ending
            raise
        self.resident.mark_warm()
        report(f"warm after {time.monotonic() - began:.1f} s and {self.resident.compilations.count} compilations")

    def _runner(self, tried: Tried) -> tuple[Runner, Pages]:
        resident, spec = self.resident, self._spec
        self.plain = tried.why
        size = token_bytes(tried.layers.values(), resident.dtype)
        pages = Pages(cache_pages(spec, self.context, size, resident.device), shares=not tried.plain)
        self.cache_tokens = pages.count * PAGE
        self.cache_bytes = self.cache_tokens * size
        self.language = self.language.within(self.cache_tokens)
        if tried.attention is None:
            return PlainRunner(resident.model, resident.low_rank), pages
        spare = pages.count
        cache = KVCache(spare + 1, resident.dtype, resident.device, tried.layers)
        if not self.compiled and resident.device.type != "cuda":
            return PagedRunner(resident.model, resident.low_rank, cache, tried.attention), pages
        fixed = FixedRunner(
            resident.model,
            resident.low_rank,
            cache,
            tried.attention,
            longest=self.context,
            most=spec.max_requests,
            spare=spare,
            compiled=self.compiled,
        )
        return fixed, pages

    def _more(self, runner: Runner, report: Report) -> Callable[[], None]:
        """Return what compiles and captures before the first request. What cannot be captured runs as it is."""

        def warm() -> None:
            if not isinstance(runner, FixedRunner):
                return
            try:
                with Contained(), self.resident.step(), failing_at_limit():
                    runner.warm_up()
            except FailOnRecompileLimitHit as error:
                why = "torch.compile has hit its recompile limit, so parts would run uncompiled"
                raise StartError(f"{why}; set model.compile = false") from error
            except RuntimeError as error:
                if self.compiled:
                    raise StartError(f"the model cannot be compiled: {error}; set model.compile = false") from error
                report(f"steps cannot be captured as graphs, and run as they are: {error}")
                runner.sizes = ()

        return warm

    def _loop(self, runner: Runner, pages: Pages) -> Loop:
        spec = self._spec
        schedule = Schedule(
            pages,
            batch_tokens=spec.batch_tokens,
            beside_tokens=_BESIDE.get(self.resident.device.type, spec.batch_tokens),
            max_requests=min(spec.max_requests, spec.batch_tokens),
            whole=runner.whole,
        )
        return Loop(runner, schedule, pages, self._drawer, ends=self.ends, turn=self.resident.step, tell=self.rows.tell)

    def _keep(self, image: Image) -> None:
        """Remember what is parked, which comes back; what has retired is staged from its files if it ever does."""
        if not self.rows.is_parked(image.number):
            return
        self.resident.norms(image)  # they may be asked for when it has no berth
        self.host.keep(image)

    def stage_from_memory(self, digest: str) -> Image | None:
        """Lay an adapter out again that has lost its berth; None if it is not in memory. The caller holds the image.

        What was verified is compared with its checksum, and not verified again. Raises NoBerth or BytesChanged.
        """
        if digest not in self.host:
            return None
        image = self.resident.berths.take(digest)
        try:
            if self.host.lay_out(image):
                return image
        except BaseException:
            self.resident.drop(image)
            raise
        self.resident.drop(image)
        return None

    def busy(self) -> bool:
        """Tell whether requests are being answered."""
        return self.rows.busy()

    def score(self, on: bool) -> None:
        """Compute the log-probability of every token, or only of those that a request wants it of."""
        self._drawer.scoring = on

    def route(self, image: Image, number: int, name: str = DEFAULT) -> float:
        """Send new requests for this name to this generation from now on; returns the seconds that the change took."""
        return self.rows.route(image, number, name)

    def keep(self, max_drain: float) -> None:
        """Keep the device awake, mend what failed, and end what has run for so many seconds since it retired.

        On the thread that makes changes, every second or so. Raises ResidentLost.
        """
        self.resident.pulse()
        self.rows.mend()
        self.rows.end_overdue(max_drain)

    def close(self, seconds: float = 5.0) -> None:
        """Give requests at most `seconds` to end, then stop the loop."""
        self.rows.stop(seconds)

    @property
    def context(self) -> int:
        """How many tokens prompt and answer may have together."""
        return self.language.context

    def encode(self, text: str, wanted: Wanted = always, *, special: bool = True) -> tuple[int, ...]:
        """Turn a prompt into token ids: see `Language`. Raises BadAsk or Dropped."""
        return self.language.encode(text, wanted, special=special)

    def encode_chat(self, messages: Sequence[Mapping[str, str]], wanted: Wanted = always) -> tuple[int, ...]:
        """Turn a conversation into token ids with the tokenizer's own template. Raises BadAsk or Dropped."""
        return self.language.encode_chat(messages, wanted)

    def submit(self, ask: Ask, hear: Callable[[Progress], None]) -> Ticket:
        """Queue a request; `hear` is called on the loop's thread.

        Raises BadAsk, QueueFull, NoGeneration or ResidentLost.
        """
        self.language.check(ask)
        return self.rows.submit(ask, hear)

    def cancel(self, ticket: Ticket, finish: str = "cancelled") -> None:
        """Drop a request; its listener hears nothing more. `finish` is how it ended, see `Ended`."""
        self.rows.cancel(ticket, finish)

    def complete(self, ask: Ask, timeout: float | None = None) -> Completion:
        """Wait for a whole answer. Raises what `submit` does, TimeoutError, or RuntimeError when the loop failed it."""
        listener = Listener(TextStream(self.resident.tokenizer, ask.stop))
        ticket = self.submit(ask, listener)
        if not listener.done.wait(timeout):
            self.rows.cancel(ticket)
            raise TimeoutError(f"no answer within {timeout} s")
        if listener.stream.stopped:
            self.rows.cancel(ticket, "stop")
        if listener.finish == "error":
            raise RuntimeError(listener.error)
        return Completion(
            text=listener.text,
            token_ids=listener.token_ids,
            finish_reason=listener.finish,
            generation=ticket.generation,
            digest=ticket.digest,
            prompt_tokens=len(ask.prompt),
            logprobs=listener.logprobs,
            prompt_logprobs=listener.prompt_logprobs,
        )


def _language(resident: Resident, spec: EngineSpec) -> Language:
    model = resident.model
    vocabulary: int = model.config.get_text_config().vocab_size
    context = min(spec.context_tokens, model_context(model))
    return Language(resident.tokenizer, vocabulary, context, usual_of(model))


def _ends(model: Any) -> tuple[int, ...]:
    """Return the tokens that end an answer: the generation configuration's, else the model's."""
    for source in (getattr(model, "generation_config", None), model.config.get_text_config()):
        ends = getattr(source, "eos_token_id", None)
        if ends is not None:
            return tuple(ends) if isinstance(ends, Sequence) else (int(ends),)
    return ()
