"""The engine: a resident with its lanes, warm, that answers requests."""

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .errors import ResidentLost, StartError
from .lanes.asks import Ask, check
from .lanes.completion import Completion, Listener
from .lanes.ended import Ended
from .lanes.lane import LaneSpec
from .lanes.lanes import LaneRequest, Lanes, Progress, Ticket
from .lanes.prompts import Prompts, Wanted, always
from .lanes.sampling import Sampling
from .lanes.sizes import EngineSpec, fair_cache, model_context
from .lanes.text import TextStream
from .lanes.warmup import warm_up
from .resident.base import Report
from .resident.resident import Resident

COMPILED = frozenset({"cuda"})
"""Devices on which ``auto`` compiles. On CPUs eager is faster for one request and for eight, and starts at once."""


class Engine:
    """Answers requests with the live generation. Every method is legal from any thread, `open` and `close` once."""

    def __init__(
        self,
        resident: Resident,
        spec: EngineSpec,
        on_free: Callable[[], None] = lambda: None,
        on_request_end: Callable[[Ended], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`on_free` is called when a lane becomes free, `on_request_end` with how each request went; see `Lanes`.

        `clock` times requests and gates, in seconds; one that leaves out the time in which the process was frozen keeps
        a freeze from looking like a slow adapter.
        """
        self.resident = resident
        self.compiled = resident.device.type in COMPILED if spec.compile == "auto" else bool(spec.compile)
        self.context = min(spec.context_tokens, model_context(resident.model))
        self._spec = spec
        self._on_free = on_free
        self._on_request_end = on_request_end
        self.clock = clock
        self._prompts = Prompts(resident.tokenizer)
        self.lanes = self._make_lanes()
        self.ends = _ends(resident.model)
        self._vocabulary: int = resident.model.config.get_text_config().vocab_size

    def _make_lanes(self) -> Lanes:
        spec = self._spec
        size = LaneSpec(
            cache_tokens=spec.cache_tokens or fair_cache(self.resident, spec.lanes, self.context),
            batch_tokens=spec.batch_tokens,
            compile=self.compiled,
        )
        return Lanes(
            self.resident,
            size,
            count=spec.lanes,
            max_queue=spec.max_queue,
            on_free=self._on_free,
            on_request_end=self._on_request_end,
            clock=self.clock,
        )

    def open(self, report: Report = lambda _: None) -> None:
        """Start the lanes, answer with the base, and warm up until nothing more compiles. Raises StartError.

        With ``auto`` a model that cannot be compiled is served uncompiled.
        """
        try:
            self._open(report)
        except (StartError, ResidentLost) as error:
            if not self.compiled or self._spec.compile != "auto":
                raise
            first = str(error).partition("\n")[0]
            report(
                f"the model cannot be compiled ({first}): it is served uncompiled; model.compile = false starts faster"
            )
            self.compiled = False
            self.lanes = self._make_lanes()
            self._open(report)

    def _open(self, report: Report) -> None:
        began = time.monotonic()
        report("compiling the model and warming up" if self.compiled else "warming up")
        self.lanes.start()
        self.context = min(self.context, self.lanes.longest)
        try:
            warm_up(self.lanes, self.resident, self.context, report, compiled=self.compiled)
        except BaseException:
            self.lanes.stop(0.0)  # their threads would keep the process from ending
            raise
        self.resident.mark_warm()
        report(f"warm after {time.monotonic() - began:.1f} s and {self.resident.compilations.count} compilations")

    def busy(self) -> bool:
        """Tell whether requests are being answered."""
        return any(one.active or one.waiting for one in self.lanes.status())

    def close(self, seconds: float = 5.0) -> None:
        """Give requests at most `seconds` to end, then stop the lanes."""
        self.lanes.stop(seconds)

    def most_characters(self) -> int:
        """Return how many characters the longest prompt may have."""
        return self._prompts.most_characters(self.context)

    def encode(self, text: str, wanted: Wanted = always) -> tuple[int, ...]:
        """Turn a prompt into token ids; `wanted` tells whether to go on. Raises BadAsk or Dropped."""
        return self._prompts.encode(text, self.context, wanted)

    def encode_chat(self, messages: Sequence[Mapping[str, str]], wanted: Wanted = always) -> tuple[int, ...]:
        """Turn a conversation into token ids with the tokenizer's own template. Raises BadAsk or Dropped."""
        return self._prompts.encode_chat(messages, self.context, wanted)

    def usual_sampling(self) -> Sampling:
        """Return how a request samples that does not say: as the model's generation configuration does.

        The seed is a fresh one for each call.
        """
        config = getattr(self.resident.model, "generation_config", None)
        seed = secrets.randbits(63)
        if config is None or not config.do_sample:
            return Sampling(seed=seed)
        temperature = 1.0 if config.temperature is None else float(config.temperature)
        return Sampling(temperature, float(config.top_p or 1.0), int(config.top_k or 0), seed)

    def submit(self, ask: Ask, hear: Callable[[Progress], None]) -> Ticket:
        """Queue a request; `hear` is called on a lane's thread.

        Raises BadAsk, LanesFull, NoGeneration or ResidentLost.
        """
        check(ask, self._vocabulary, self.context)
        request = LaneRequest(ask.prompt, ask.max_tokens, self.ends, ask.sampling, ask.tag)
        return self.lanes.submit(request, hear, ask.generation)

    def complete(self, ask: Ask, timeout: float | None = None) -> Completion:
        """Wait for a whole answer. Raises what `submit` does, TimeoutError, or RuntimeError when its lane failed it."""
        listener = Listener(TextStream(self.resident.tokenizer, ask.stop))
        ticket = self.submit(ask, listener)
        if not listener.done.wait(timeout):
            self.lanes.cancel(ticket)
            raise TimeoutError(f"no answer within {timeout} s")
        if listener.stream.stopped:
            self.lanes.cancel(ticket)
        if listener.finish == "error":
            raise RuntimeError(listener.error)
        return Completion(
            text=listener.text,
            token_ids=listener.token_ids,
            finish_reason=listener.finish,
            generation=ticket.generation,
            digest=ticket.digest,
            prompt_tokens=len(ask.prompt),
        )


def _ends(model: Any) -> tuple[int, ...]:
    """Return the tokens that end an answer: the generation configuration's, else the model's."""
    for source in (getattr(model, "generation_config", None), model.config.get_text_config()):
        ends = getattr(source, "eos_token_id", None)
        if ends is not None:
            return tuple(ends) if isinstance(ends, Sequence) else (int(ends),)
    return ()
