"""A load on an OpenAI-compatible server: every answer is kept with its times, and sorted by whose it is."""

import json
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

SYSTEM = "You are a helpful assistant. You answer the user's question in a few short sentences, and you stay friendly. "
QUESTIONS = [
    "What is the sea?",
    "Where do birds sleep?",
    "What is bread made of?",
    "Why is the sky blue?",
    "What does a baker do?",
    "How do I boil an egg?",
]
TOKENS = 32
CLIENTS = 4


@dataclass(slots=True)
class Answer:
    """One answer; times in seconds of the monotonic clock."""

    question: int
    sent: float
    text: str = ""
    times: list[float] = field(default_factory=list)
    tokens: int = 0
    label: str = ""
    error: str = ""


def ask(url: str, model: str, question: int) -> Answer:
    """Stream one greedy answer."""
    body: dict[str, Any] = {
        "model": model,
        "prompt": f"{SYSTEM * 4}\nQuestion: {QUESTIONS[question]}\nAnswer:",
        "max_tokens": TOKENS,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    answer = Answer(question, time.monotonic())
    try:
        with httpx.stream("POST", f"{url}/v1/completions", json=body, timeout=120.0) as response:
            if response.status_code != 200:
                answer.error = f"{response.status_code} {response.read().decode()[:200]}"
                return answer
            answer.label = response.headers.get("X-Hotswapd-Generation", "")
            for line in response.iter_lines():
                if line.startswith("data: {"):
                    _take(answer, json.loads(line[6:]))
    except httpx.HTTPError as error:
        answer.error = repr(error)
    return answer


def _take(answer: Answer, chunk: dict[str, Any]) -> None:
    if chunk["choices"]:
        answer.times.append(time.monotonic())
        answer.text += chunk["choices"][0]["text"]
    answer.tokens = (chunk.get("usage") or {}).get("completion_tokens", answer.tokens)


def references(url: str, model: str) -> list[str]:
    """Ask each question alone, twice; an answer that differs between the two is not a reference."""
    texts = []
    for question in range(len(QUESTIONS)):
        first, second = ask(url, model, question), ask(url, model, question)
        if first.error or first.text != second.text:
            raise SystemExit(f"no reference for question {question}: {first} {second}")
        texts.append(first.text)
    return texts


class Load:
    """Clients that each send the next question when the last one is answered."""

    def __init__(self, url: str, model: str) -> None:
        self.url, self.model = url, model
        self.answers: list[Answer] = []
        self.began = 0.0
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._client, args=(number,)) for number in range(CLIENTS)]

    def run(self, reload: Callable[[int], None], times: int, every: float) -> list[tuple[float, float]]:
        """Reload so many times under the load; return when each was asked for and when it was said to be done."""
        self.began = time.monotonic()
        for thread in self._threads:
            thread.start()
        moments = []
        for turn in range(times):
            time.sleep(every)
            asked = time.monotonic()
            reload(turn)
            moments.append((asked, time.monotonic()))
        time.sleep(every)
        self._stop.set()
        for thread in self._threads:
            thread.join()
        return moments

    def _client(self, number: int) -> None:
        question = number
        while not self._stop.is_set():
            self.answers.append(ask(self.url, self.model, question % len(QUESTIONS)))
            question += 1


def judge(load: Load, moments: list[tuple[float, float]], known: list[list[str]]) -> dict[str, Any]:
    """Sort the answers: whose reference each one is, and whether that adapter could still be asked when it was sent.

    Adapter 0 answers first, and the reload number n (from 0) brings adapter (n + 1) % 2.
    """
    kinds: Counter[str] = Counter()
    for answer in load.answers:
        kinds[_kind(answer, moments, known)] += 1
    tokens = sum(answer.tokens for answer in load.answers)
    end = max(answer.times[-1] for answer in load.answers if answer.times)
    gaps = [b - a for answer in load.answers for a, b in zip(answer.times, answer.times[1:], strict=False)]
    taken = [done - asked for asked, done in moments]
    waits = sorted(answer.times[0] - answer.sent for answer in load.answers if answer.times)
    return {
        "answers": len(load.answers),
        **{kind: kinds[kind] for kind in ("right", "neither", "stale", "failed")},
        "neither_share": kinds["neither"] / len(load.answers),
        "tokens_per_second": tokens / (end - load.began),
        "longest_gap": max(gaps),
        "first_token_median": waits[len(waits) // 2],
        "first_token_worst": waits[-1],
        "seconds": end - load.began,
        "reload_median": statistics.median(taken) if taken else None,
        "reload_worst": max(taken, default=None),
    }


def _kind(answer: Answer, moments: list[tuple[float, float]], known: list[list[str]]) -> str:
    if answer.error:
        return "failed"
    owners = [index for index in (0, 1) if known[index][answer.question] == answer.text]
    if not owners:
        return "neither"
    done = sum(finished <= answer.sent for _, finished in moments)
    begun = sum(asked <= (answer.times or [answer.sent])[-1] for asked, _ in moments)
    allowed = {turn % 2 for turn in range(done, begun + 1)}
    return "right" if allowed & set(owners) else "stale"
