"""Clients of a fleet's HTTP API without a pause, OpenAI's own; every second one streams. What they get is checked."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import httpx
from openai import APIConnectionError, APIStatusError, OpenAI, OpenAIError

from kits.fleet_rows import Row
from kits.fleet_watched import CHANNELS

GENERATION = "X-Hotswapd-Generation"


@dataclass
class _Answer:
    """What one request got; an answer that was cut has no end."""

    generation: int = 0
    fingerprint: str = ""
    text: str = ""
    has_ended: bool = False


class Asking:
    """What the clients ask, and what they got. Each client is a thread with connections of its own."""

    def __init__(
        self, client: Callable[[], OpenAI], name: str, prompt: Sequence[int], tokens: int, pause: float = 0.0
    ) -> None:
        """`client` makes one; `tokens` is the most of each answer; `pause` the seconds that each client then waits."""
        self._pause = pause
        self.row = Row(name)
        self._make, self._prompt, self._tokens = client, list(prompt), tokens
        self._clients: dict[int, OpenAI] = {}
        self._lock = threading.Lock()
        self._newest: dict[str, int] = {}
        self._turn = count()
        self._got: list[_Answer] = []

    def __call__(self, number: int) -> None:
        """Ask one channel after the other, as client `number` does."""
        channel = CHANNELS[next(self._turn) % len(CHANNELS)]
        with self._lock:
            client = self._clients.setdefault(number, self._make())
            newest = self._newest.get(channel, 0)
        answer = _Answer()
        try:
            self._ask(client, channel, answer, newest, stream=number % 2 == 1)
        except (APIConnectionError, httpx.TransportError) as error:
            self.row.cut.append(repr(error.__cause__ or error))
        except APIStatusError as error:
            where = self.row.failed if isinstance(error.body, dict) or error.status_code < 500 else self.row.cut
            where.append(f"{error.status_code}: {error.response.text[:300]}")
        except OpenAIError as error:
            self.row.failed.append(repr(error))
        else:
            if not answer.has_ended:
                self.row.cut.append("a stream without its end")
        self._got.append(answer)
        time.sleep(self._pause)

    def _ask(self, client: OpenAI, channel: str, answer: _Answer, newest: int, *, stream: bool) -> None:
        raw = client.completions.with_raw_response.create(
            model="tiny" if channel == "default" else channel,
            prompt=self._prompt,
            max_tokens=self._tokens,
            temperature=0,
            stream=stream,
        )
        answer.generation = int(raw.headers[GENERATION])
        with self._lock:
            self.row.begun += 1
            self.row.older += answer.generation < newest
            self._newest[channel] = max(self._newest.get(channel, 0), answer.generation)
        parsed: Any = raw.parse()
        for part in parsed if stream else [parsed]:
            answer.fingerprint = answer.fingerprint or part.system_fingerprint
            if part.system_fingerprint != answer.fingerprint:
                self.row.mixed.append(f"{part.system_fingerprint} in an answer by {answer.fingerprint}")
            for choice in part.choices:
                answer.text += choice.text
                answer.has_ended |= choice.finish_reason is not None

    def check(self, truth: Mapping[str, str]) -> None:
        """Compare every text, that of a cut answer as far as it goes; `truth` has each digest's whole text.

        The digests are named by their first twelve digits.
        """
        for one in self._got:
            if not one.fingerprint:
                continue
            true = truth[one.fingerprint.rpartition("-")[2]]
            self.row.answers += one.has_ended
            self.row.generations.add(one.generation)
            if one.text != true if one.has_ended else not true.startswith(one.text):
                self.row.mixed.append(f"{one.fingerprint}: {one.text!r}")
