"""Streams over HTTP, by a client's clock: when the first token came, and how many a second there were."""

import json
import random
import threading
import time
from dataclasses import dataclass
from http.client import HTTPConnection

_LIMIT = 300.0
_VOCABULARY = range(5, 205)
"""Tokens that every base of the benchmark has, and that end nothing."""


@dataclass(frozen=True, slots=True)
class Streams:
    """Answers of `tokens` tokens each to prompts of `prompt` tokens, asked of a server on this port of the loopback."""

    port: int
    model: str
    prompt: int
    tokens: int

    def first(self, number: int) -> float:
        """Ask for one answer; return the seconds to its first token. Raises RuntimeError if it is not all there."""
        return self._ask(number)

    def at_once(self, streams: int, number: int) -> float:
        """Ask for so many answers at once; return their tokens per second until all have ended. Raises RuntimeError."""
        failed: list[Exception] = []

        def ask(at: int) -> None:
            try:
                self._ask(number + at)
            except Exception as error:  # noqa: BLE001 - it is raised below, on the caller's thread
                failed.append(error)

        threads = [threading.Thread(target=ask, args=(at,)) for at in range(streams)]
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failed:
            raise RuntimeError(str(failed[0])) from failed[0]
        return streams * self.tokens / (time.perf_counter() - began)

    def _ask(self, number: int) -> float:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=_LIMIT)
        began = time.perf_counter()
        connection.request("POST", "/v1/completions", self._body(number), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        first, finish = 0.0, ""
        for line in answer:
            if answer.status != 200:
                raise RuntimeError(f"{answer.status}: {line.decode()}")
            if line.startswith(b"data: {"):
                first = first or time.perf_counter() - began
                choices = json.loads(line[6:]).get("choices") or [{}]
                finish = choices[0].get("finish_reason") or finish
        connection.close()
        if finish != "length":
            raise RuntimeError(f"an answer ended with {finish or 'nothing'!r}")
        return first

    def _body(self, number: int) -> bytes:
        # Of each number its own: a server remembers the beginning of what it was asked before.
        prompt = random.Random(number).choices(_VOCABULARY, k=self.prompt)  # noqa: S311 - nothing is secret
        asked = {"model": self.model, "prompt": prompt, "max_tokens": self.tokens, "stream": True, "ignore_eos": True}
        return json.dumps(asked | {"temperature": 0}).encode()
