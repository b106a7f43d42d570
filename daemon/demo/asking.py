"""The demo's clients: they ask over the OpenAI-compatible API, and record which generation answered."""

import functools
import threading
from dataclasses import dataclass, field
from typing import Any

import openai

GENERATION_HEADER = "X-Hotswapd-Generation"
_LIMIT = 120.0


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, and the generation that gave it."""

    generation: int
    text: str


class Asker:
    """Asks one question, greedily, so that each generation has exactly one right answer. Legal on any thread."""

    def __init__(self, port: int, question: str, tokens: int) -> None:
        """`tokens` is the longest answer."""
        self._client = openai.OpenAI(
            base_url=f"http://127.0.0.1:{port}/v1", api_key="not needed", max_retries=0, timeout=_LIMIT
        )
        self._question, self._tokens = question, tokens

    @functools.cached_property
    def _model(self) -> str:
        return self._client.models.list().data[0].id

    def ask(self) -> Answer:
        """Ask once. Raises openai.OpenAIError."""
        raw = self._client.chat.completions.with_raw_response.create(
            model=self._model,
            messages=[{"role": "user", "content": self._question}],
            temperature=0,
            max_tokens=self._tokens,
        )
        text = raw.parse().choices[0].message.content or ""
        return Answer(int(raw.headers[GENERATION_HEADER]), text.strip())


@dataclass(slots=True)
class Visitors:
    """Clients that keep asking the same question, so that every swap happens under traffic."""

    asker: Asker
    count: int = 2
    answers: list[Answer] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    _gone: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> "Visitors":
        """Start asking."""
        self._threads = [
            threading.Thread(target=self._visit, name=f"visitor {number}", daemon=True) for number in range(self.count)
        ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        """Stop asking, and wait for the answers that are under way."""
        self._gone.set()
        for thread in self._threads:
            thread.join(_LIMIT)

    def wrong(self, right: dict[int, str]) -> list[Answer]:
        """Return the answers that differ from what their generation answers when it is asked alone."""
        return [answer for answer in self.answers if right.get(answer.generation) != answer.text]

    def _visit(self) -> None:
        while not self._gone.is_set():
            try:
                self.answers.append(self.asker.ask())
            except openai.OpenAIError as error:
                self.failures.append(str(error))
                return
