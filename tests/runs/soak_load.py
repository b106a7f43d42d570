"""Open-loop load: requests arrive when a seeded Poisson process says so, however long the answers take."""

import asyncio
import json
import random
import time
from dataclasses import dataclass, field
from typing import Any

import httpx

from runs.soak_stock import PROMPTS, Stock, references

GENERATION = "X-Hotswapd-Generation"
_ANSWER_LIMIT = 120.0
_CONNECTIONS = 32
"""A request that finds all connections taken waits for one, and its latency counts from its arrival all the same."""


@dataclass(slots=True)
class Tally:
    """What became of the requests. `failed` and `wrong` hold a sentence each; latencies in seconds."""

    sent: int = 0
    answered: int = 0
    failed: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    digest_of: dict[int, str] = field(default_factory=dict)
    """The first twelve digits of the adapter that each generation said it was; each has one."""


class OpenLoop:
    """Asks the daemon at this port and checks each answer. `run` is called once, on any thread."""

    def __init__(self, port: int, model: str, stock: Stock, rate: float, seed: int) -> None:
        """`rate` is the mean number of arrivals a second."""
        self._url = f"http://127.0.0.1:{port}/v1/completions"
        self._model = model
        self._stock = stock
        self._rate = rate
        self._chance = random.Random(seed)
        self.tally = Tally()

    def run(self, end: float) -> None:
        """Let requests arrive until `end` (time.monotonic), and return when all have been answered."""
        asyncio.run(self._run(end))

    async def _run(self, end: float) -> None:
        limits = httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS)
        async with httpx.AsyncClient(limits=limits, timeout=_ANSWER_LIMIT, trust_env=False) as client:
            under_way: set[asyncio.Task[None]] = set()
            arrival = time.monotonic()
            while (arrival := arrival + self._chance.expovariate(self._rate)) < end:
                await asyncio.sleep(max(0.0, arrival - time.monotonic()))
                task = asyncio.create_task(self._ask(client, self.tally.sent, arrival))
                self.tally.sent += 1
                under_way.add(task)
                task.add_done_callback(under_way.discard)
            await asyncio.gather(*under_way)

    async def _ask(self, client: httpx.AsyncClient, number: int, arrival: float) -> None:
        prompt, tokens = PROMPTS[number % len(PROMPTS)]
        body = {"model": self._model, "prompt": prompt, "max_tokens": tokens, "temperature": 0}
        body["stream"] = number % 3 == 2
        try:
            response = await client.post(self._url, json=body)
            response.raise_for_status()
            fault = self._check(response, prompt, streamed=bool(body["stream"]))
        except Exception as error:
            self.tally.failed.append(f"request {number}: {type(error).__name__}: {error}")
            return
        self.tally.answered += 1
        self.tally.latencies.append(time.monotonic() - arrival)
        if fault:
            self.tally.wrong.append(f"request {number}: {fault}")

    def _check(self, response: httpx.Response, prompt: str, *, streamed: bool) -> str:
        """Compare an answer with the reference of the generation that it names; return what is wrong with it."""
        generation = int(response.headers[GENERATION])
        parts = _parts(response.text) if streamed else [response.json()]
        prints = {part["system_fingerprint"] for part in parts}
        text = "".join(part["choices"][0]["text"] for part in parts)
        name, _, digest = prints.pop().rpartition("-")
        if prints or name != f"hotswapd-g{generation}":
            return f"generation {generation} in the header, {name} and {prints} in the body"
        if self.tally.digest_of.setdefault(generation, digest) != digest:
            return f"generation {generation} has been two adapters"
        drop = self._stock.by_digest.get(digest)
        if drop is None or drop.index is None:
            return f"generation {generation} is {'bad' if drop else 'unknown'}: {digest}"
        reference = references()[drop.index, prompt]
        return "" if text == reference else f"generation {generation} said {text!r}, its reference is {reference!r}"


def _parts(stream: str) -> list[dict[str, Any]]:
    """Read the events of a stream, which must have an end."""
    lines = [line.removeprefix("data: ") for line in stream.splitlines() if line.startswith("data: ")]
    if not lines or lines[-1] != "[DONE]":
        raise ValueError(f"a stream without an end: {stream[-200:]!r}")
    return [json.loads(line) for line in lines[:-1]]
