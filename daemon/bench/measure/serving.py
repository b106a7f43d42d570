"""Serving while swapping: tokens per second and time to the first token, for three ways of changing the adapter."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import cycle
from typing import Any

from hotswapd.daemon.bench.load import Load, first_tokens, longest_gap, shared_time, tokens_per_second
from hotswapd.daemon.bench.samples import Findings, at_least
from hotswapd.daemon.bench.scene import Scene
from hotswapd.swap.adapter.admission import Plan
from hotswapd.swap.berths.image import Image
from hotswapd.swap.engine import Engine
from hotswapd.swap.errors import NoBerth
from hotswapd.swap.resident.resident import Resident
from hotswapd.swap.rows.spec import EngineSpec

_RETRY = 0.005


class Server:
    """An engine in this process with a live adapter. For the measuring thread; any thread may use `engine`."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._adapters = cycle([scene.adapter(scene.rank, 0), scene.adapter(scene.rank, 1)])
        self._generation = 0
        self.held = 0
        self.start()

    def start(self) -> None:
        """Load the base, warm up, and make an adapter live."""
        preset = self._scene.preset
        context = preset.prompt + preset.tokens
        resident = Resident.open(self._scene.spec(berths=4))
        sizes = EngineSpec(context_tokens=context, cache_tokens=max(2, preset.clients) * context + 64, batch_tokens=512)
        if preset.eager:
            sizes = replace(sizes, compile=False)
        self.engine = Engine(resident, sizes)
        self.engine.open()
        self.swap()

    def stop(self) -> None:
        """Let requests end, and release the model."""
        self.engine.close(60.0)
        self.engine.resident.close()
        del self.engine

    def restart(self) -> None:
        """Stop and start: without a new process and its imports this is the least that a restart can take."""
        self.stop()
        self.start()

    def swap(self) -> None:
        """Take the other adapter all the way to live, waiting for a berth as the daemon does."""
        resident = self.engine.resident
        image = self._staged(resident.admit(next(self._adapters)))
        try:
            resident.verify(image)
            self._generation += 1
            self.engine.route(image, self._generation)
        finally:
            resident.drop(image)

    def _staged(self, plan: Plan) -> Image:
        free = threading.Event()
        while True:
            try:
                return self.engine.resident.stage(plan, f"{self._generation:064x}")
            except NoBerth:
                self.held += 1
                free.wait(_RETRY)


Change = Callable[[Server, Load], None]


def _in_place(server: Server, load: Load) -> None:
    server.swap()


def _drain_first(server: Server, load: Load) -> None:
    load.drain()
    server.swap()
    load.gate.set()


def _stop_and_start(server: Server, load: Load) -> None:
    load.drain()
    server.restart()
    load.gate.set()


def measure(scene: Scene) -> Findings:
    """Load the same engine with every way of swapping, one window after the other, interleaved."""
    preset = scene.preset
    middle = preset.periods[len(preset.periods) // 2]
    plans: list[tuple[str, float, Change]] = [("never", 0.0, _in_place)]
    plans += [(f"every_{period:g}s", period, _in_place) for period in preset.periods]
    plans += [
        (f"drain_every_{middle:g}s", middle, _drain_first),
        (f"restart_every_{middle:g}s", middle, _stop_and_start),
    ]
    server = Server(scene)
    taken: dict[str, list[dict[str, Any]]] = {name: [] for name, _, _ in plans}
    try:
        for turn in range(preset.windows):
            for name, period, change in plans[turn % len(plans) :] + plans[: turn % len(plans)]:
                taken[name].append(window(scene, server, period, change))
    finally:
        server.stop()
    return _findings(taken, preset.window, [f"every_{period:g}s" for period in preset.periods])


def window(scene: Scene, server: Server, period: float, change: Change) -> dict[str, Any]:
    """Load the engine once, with a change every `period` seconds (0: none), and return what the clients saw."""
    preset = scene.preset
    vocabulary = server.engine.resident.model.config.get_text_config().vocab_size
    load = Load(lambda: server.engine, preset.clients, preset.prompt, preset.tokens, vocabulary)
    swaps: list[float] = []
    held = server.held

    def meanwhile(end: float) -> None:
        due = time.monotonic() + (period / 2 if period else preset.window)
        while due < end:
            threading.Event().wait(max(0.0, due - time.monotonic()))
            began = time.monotonic()
            change(server, load)
            swaps.append(time.monotonic() - began)
            due = max(due + period, time.monotonic())

    began, end = load.run(preset.window, meanwhile)
    return {
        "tokens": tokens_per_second(load.answers, began, end),
        "first": first_tokens(load.answers, end),
        "gap": longest_gap(load.answers),
        "shared": shared_time(load.answers, began, end),
        "swaps": swaps,
        "held": server.held - held,
        "errors": sum(bool(answer.error) for answer in load.answers),
    }


def _findings(taken: dict[str, list[dict[str, Any]]], window: float, ours: list[str]) -> Findings:
    found = Findings()
    tokens = {}
    for name, windows in taken.items():
        facts = {
            "window_seconds": window,
            "swaps": sum(len(one["swaps"]) for one in windows),
            "held": sum(one["held"] for one in windows),
            "errors": sum(one["errors"] for one in windows),
        }
        rates = [one["tokens"] for one in windows]
        tokens[name] = found.add(f"serving.{name}.tokens", f"tokens per second, swap {name}", "1/s", rates, **facts)
        firsts = [first for one in windows for first in one["first"]]
        found.add(f"serving.{name}.first_token", f"time to the first token, swap {name}", "s", firsts, **facts)
        worst = [max(one["first"], default=window) for one in windows]
        found.add(
            f"serving.{name}.first_token_worst", f"longest time to a first token, swap {name}", "s", worst, **facts
        )
        gaps = [one["gap"] for one in windows]
        found.add(
            f"serving.{name}.gap", f"longest time between two tokens of an answer, swap {name}", "s", gaps, **facts
        )
        if name in ours:
            _add_sharing(found, name, windows)
    against = {
        name: found.compare(tokens[name], tokens["never"], f"tokens/s, swap {name}, against none")
        for name in tokens
        if name != "never"
    }
    sentence = f"tokens/s with a swap {ours[-1].replace('_', ' ')} are at least 95 % of those without"
    found.goals.append(at_least("serving.undisturbed", sentence, against[ours[-1]].median, 0.95))
    return found


def _add_sharing(found: Findings, name: str, windows: list[dict[str, Any]]) -> None:
    shared = [one["shared"] for one in windows]
    found.add(f"serving.{name}.two_busy", f"share of the time with two generations busy, swap {name}", "", shared)
    swaps = [seconds for one in windows for seconds in one["swaps"]]
    if swaps:
        found.add(f"serving.{name}.swap", f"from admission to live under load, swap {name}", "s", swaps)
