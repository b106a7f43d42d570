"""From token ids to text, piece by piece, with stop sequences."""

from collections.abc import Sequence
from typing import Any

from tokenizers.decoders import DecodeStream


class TextStream:
    """Decodes one answer as it grows. Text is held back while it may be the beginning of a stop sequence.

    Not for several threads at once. Without a tokenizer there is no text, only token ids.
    """

    def __init__(self, tokenizer: Any, stops: Sequence[str] = ()) -> None:
        self._tokenizer: Any = getattr(tokenizer, "backend_tokenizer", None)
        self._stream = DecodeStream(skip_special_tokens=True)
        self._stops = tuple(stop for stop in stops if stop)
        self._seen = 0
        self._held = ""
        self._decoded = ""
        self.stopped = False
        """Whether a stop sequence was met; what follows it is thrown away."""

    def feed(self, token_ids: Sequence[int], *, last: bool = False) -> str:
        """Take all of the answer's tokens so far, and return the text that is new and certain."""
        if self.stopped or self._tokenizer is None:
            return ""
        new = "".join(self._stream.step(self._tokenizer, token) or "" for token in token_ids[self._seen :])
        self._seen = len(token_ids)
        self._decoded += new
        if last:
            new += self._unfinished(token_ids)
        return self._release(self._held + new, last)

    def _unfinished(self, token_ids: Sequence[int]) -> str:
        """Show what the end of the answer cut through, as the tokenizer itself does."""
        whole: str = self._tokenizer.decode(list(token_ids), skip_special_tokens=True)
        return whole[len(self._decoded) :] if whole.startswith(self._decoded) else ""

    def _release(self, text: str, last: bool) -> str:
        starts = [place for place in (text.find(stop) for stop in self._stops) if place >= 0]
        if starts:
            self.stopped, self._held = True, ""
            return text[: min(starts)]
        held = 0 if last else max((_overlap(text, stop) for stop in self._stops), default=0)
        self._held = text[len(text) - held :]
        return text[: len(text) - held]


def _overlap(text: str, stop: str) -> int:
    """Measure the longest end of the text that is a beginning of the stop sequence."""
    for length in range(min(len(text), len(stop) - 1), 0, -1):
        if text.endswith(stop[:length]):
            return length
    return 0
