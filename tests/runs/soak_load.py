"""Open-loop load: requests arrive when a seeded Poisson process says so, however long the answers take."""

import asyncio
import json
import random
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from runs.soak_stock import PROMPTS, TRIED, Stock, references

GENERATION = "X-Hotswapd-Generation"
CHANNEL = "X-Hotswapd-Channel"
_ANSWER_LIMIT = 120.0
_CONNECTIONS = 32
"""A request that finds all connections taken waits for one, and its latency counts from its arrival all the same."""
_BY_NUMBER, _CANARY = 0.2, 0.05
"""Shares of the requests that ask for one of a channel's latest generations, and for its canary."""
_LATEST = 4
_MAY_BE_GONE = {"generation_not_served", "no_canary"}
_OF_THE_BASE = "0" * 12


@dataclass(slots=True)
class Tally:
    """What became of the requests. `failed` and `wrong` hold a sentence each; latencies in seconds."""

    sent: int = 0
    answered: int = 0
    not_served: int = 0
    """Asked for a generation or a canary by name that had gone, and were told so."""
    failed: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    asked_for: Counter[str] = field(default_factory=Counter)
    """How many were answered of each channel, and by which kind of name: "live", "by number", "canary"."""
    digest_of: dict[int, str] = field(default_factory=dict)
    """The first twelve digits of the adapter that each generation said it was; each has one."""
    spans: list[tuple[float, float, int]] = field(default_factory=list)
    """From when to when each answered request was under way (time.monotonic), and its generation."""

    def most_at_once(self) -> int:
        """Count the generations that had requests under way at one moment, at most."""
        moments = [(at, change, number) for begin, end, number in self.spans for at, change in ((begin, 1), (end, -1))]
        under_way: Counter[int] = Counter()
        most = 0
        for _, change, number in sorted(moments):
            under_way[number] += change
            most = max(most, sum(count > 0 for count in under_way.values()))
        return most


@dataclass(frozen=True, slots=True)
class Question:
    """One request: whom it asks and what. `number` is the generation that it asks for, if it asks for one."""

    channel: str
    kind: str
    number: int | None
    body: dict[str, Any]


class OpenLoop:
    """Asks the daemon at this port and checks each answer. `run` is called once, on any thread."""

    def __init__(self, port: int, models: Mapping[str, str], stock: Stock, rate: float, seed: int) -> None:
        """`models` are the names by which each channel is asked; `rate` is the mean number of arrivals a second."""
        self._url = f"http://127.0.0.1:{port}/v1/completions"
        self._models = dict(models)
        self._stock = stock
        self._rate = rate
        self._chance = random.Random(seed)
        self._latest: defaultdict[str, deque[int]] = defaultdict(lambda: deque(maxlen=_LATEST))
        self.tally = Tally()

    def run(self, over: threading.Event) -> None:
        """Let requests arrive until it is over, and return when all have been answered."""
        asyncio.run(self._run(over))

    async def _run(self, over: threading.Event) -> None:
        limits = httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS)
        async with httpx.AsyncClient(limits=limits, timeout=_ANSWER_LIMIT, trust_env=False) as client:
            under_way: set[asyncio.Task[None]] = set()
            arrival = time.monotonic()
            while not over.is_set():
                arrival += self._chance.expovariate(self._rate)
                await asyncio.sleep(max(0.0, arrival - time.monotonic()))
                task = asyncio.create_task(self._ask(client, self._question(self.tally.sent), arrival))
                self.tally.sent += 1
                under_way.add(task)
                task.add_done_callback(under_way.discard)
            await asyncio.gather(*under_way)

    def _question(self, count: int) -> Question:
        channel = self._chance.choice(list(self._models))
        kind, number = self._whom(channel)
        suffix = {"live": "", "canary": "@canary", "by number": f"@g{number}"}[kind]
        prompt, tokens = PROMPTS[count % len(PROMPTS)]
        body = {"model": self._models[channel] + suffix, "prompt": prompt, "max_tokens": tokens, "temperature": 0}
        return Question(channel, kind, number, body | {"stream": count % 3 == 2})

    def _whom(self, channel: str) -> tuple[str, int | None]:
        drawn, latest = self._chance.random(), self._latest[channel]
        if drawn < _BY_NUMBER and latest:
            return "by number", self._chance.choice(list(latest))
        is_canary = channel == TRIED and drawn > 1 - _CANARY
        return "canary" if is_canary else "live", None

    async def _ask(self, client: httpx.AsyncClient, asked: Question, arrival: float) -> None:
        try:
            response = await client.post(self._url, json=asked.body)
            if _has_gone(asked, response):
                self.tally.not_served += 1
                return
            response.raise_for_status()
            fault = self._check(asked, response)
        except Exception as error:
            self.tally.failed.append(f"{asked}: {type(error).__name__}: {error}")
            return
        self._note(asked, int(response.headers[GENERATION]), arrival)
        if fault:
            self.tally.wrong.append(f"{asked}: {fault}")

    def _note(self, asked: Question, generation: int, arrival: float) -> None:
        now, latest = time.monotonic(), self._latest[asked.channel]
        self.tally.answered += 1
        self.tally.latencies.append(now - arrival)
        self.tally.spans.append((arrival, now, generation))
        self.tally.asked_for[f"{asked.channel}, {asked.kind}"] += 1
        if generation and generation not in latest:  # the bare base belongs to no channel but the default one
            latest.append(generation)

    def _check(self, asked: Question, response: httpx.Response) -> str:
        """Compare an answer with the reference of the generation that it names; return what is wrong with it."""
        generation = int(response.headers[GENERATION])
        parts = _parts(response.text) if asked.body["stream"] else [response.json()]
        prints = {part["system_fingerprint"] for part in parts}
        text = "".join(part["choices"][0]["text"] for part in parts)
        name, _, digest = prints.pop().rpartition("-")
        if prints or name != f"hotswapd-g{generation}":
            return f"generation {generation} in the header, {name} and {prints} in the body"
        if asked.number not in (None, generation) or response.headers[CHANNEL] != asked.channel:
            return f"answered by generation {generation} of {response.headers[CHANNEL]}"
        if self.tally.digest_of.setdefault(generation, digest) != digest:
            return f"generation {generation} has been two adapters"
        return self._told(asked, generation, digest, text)

    def _told(self, asked: Question, generation: int, digest: str, text: str) -> str:
        """Return what is wrong with a text that the adapter of these first digits is said to have written."""
        drop = self._stock.by_digest.get(digest)
        is_base = (generation, digest) == (0, _OF_THE_BASE)
        if not is_base and (drop is None or drop.index is None or drop.channel != asked.channel):
            return f"generation {generation} is {drop or 'unknown'}: {digest}"
        reference = references()[drop.index if drop else None, asked.body["prompt"]]
        return "" if text == reference else f"generation {generation} said {text!r}, its reference is {reference!r}"


def _has_gone(asked: Question, response: httpx.Response) -> bool:
    """Report whether a request that asked by name was told, as it must be, that this one is not served any more."""
    by_name = asked.kind != "live" and response.status_code == 404
    return by_name and response.json()["error"]["code"] in _MAY_BE_GONE


def _parts(stream: str) -> list[dict[str, Any]]:
    """Read the events of a stream, which must have an end."""
    lines = [line.removeprefix("data: ") for line in stream.splitlines() if line.startswith("data: ")]
    if not lines or lines[-1] != "[DONE]":
        raise ValueError(f"a stream without an end: {stream[-200:]!r}")
    return [json.loads(line) for line in lines[:-1]]
