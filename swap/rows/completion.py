"""A whole answer, for callers that wait for it."""

import threading
from dataclasses import dataclass

from .text import TextStream
from .tickets import Progress, TokenLogprobs


@dataclass(frozen=True, slots=True)
class Completion:
    """A whole answer, all of it from one generation. `finish_reason` is ``stop`` or ``length``."""

    text: str
    token_ids: tuple[int, ...]
    finish_reason: str
    generation: int
    digest: str
    prompt_tokens: int
    logprobs: tuple[TokenLogprobs, ...] = ()
    prompt_logprobs: tuple[TokenLogprobs | None, ...] = ()


class Listener:
    """Gathers an answer; called on the loop's thread, read by the thread that waits for `done`."""

    def __init__(self, stream: TextStream) -> None:
        self.stream = stream
        self.done = threading.Event()
        self.text = ""
        self.token_ids: tuple[int, ...] = ()
        self.finish = ""
        self.error = ""
        self.logprobs: tuple[TokenLogprobs, ...] = ()
        self.prompt_logprobs: tuple[TokenLogprobs | None, ...] = ()

    def __call__(self, progress: Progress) -> None:
        """Take in what the request has produced so far."""
        if self.done.is_set():
            return
        self.token_ids = progress.token_ids
        self.logprobs = progress.logprobs
        self.prompt_logprobs = progress.prompt_logprobs or self.prompt_logprobs
        self.text += self.stream.feed(progress.token_ids, last=progress.finish is not None)
        if progress.finish is not None or self.stream.stopped:
            self.finish = "stop" if self.stream.stopped else str(progress.finish)
            self.error = progress.error or ""
            self.done.set()
