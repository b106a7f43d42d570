"""The numbers that `/metrics` shows. Every method may be called on any thread."""

import threading
from collections import Counter as Tally
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, Protocol

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily

from hotswapd.daemon.ledger.channel import DEFAULT
from hotswapd.daemon.ledger.states import REFUSED, State

from .ingresses import Count, IngressCounts
from .labels import OTHERS, ChannelLabels

# A swap's stages take from milliseconds (a small image) to minutes (a large download).
_SWAP_BUCKETS = (0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_PAUSE_BUCKETS = (1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 0.0001, 0.00025, 0.001, 0.01, 0.1, 1)
# Labels that grow with every swap would fill the memory of the server that stores them.
_GENERATIONS = 8
# What an alert counts must exist from the start: from nothing to 1 is not an increase.
_FROM_THE_START = (State.LIVE, *sorted(REFUSED))


class Holder(Protocol):
    """A generation that holds a place on the engine, with its requests."""

    @property
    def number(self) -> int:
        """Its generation."""
        ...

    @property
    def active(self) -> int:
        """Requests that have begun their answer."""
        ...

    @property
    def waiting(self) -> int:
        """Requests that have not."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """The served names that it is live under."""
        ...


def _arms(registry: CollectorRegistry) -> Gauge:
    return Gauge(
        "hotswapd_rollout",
        "What was counted of each arm in this step of a rollout, and its percent of new requests",
        ["channel", "arm", "generation", "what"],
        registry=registry,
    )


def _berth_requests(registry: CollectorRegistry) -> Gauge:
    what = "Requests by what answers them, active ones have begun their answer"
    return Gauge("hotswapd_berth_requests", what, ["channel", "generation", "state"], registry=registry)


class Metrics:
    """All metrics of one daemon, in a registry of their own."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call] # a second series for each counter, which nobody asked for
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self._lock = threading.Lock()
        self._labels = ChannelLabels()
        self._generations: dict[str, set[str]] = {}
        self._arms = _arms(registry)
        self._swaps = Counter(
            "hotswapd_swaps", "Swaps by how they ended", ["outcome", "source", "channel"], registry=registry
        )
        self._stages = Histogram(
            "hotswapd_swap_seconds", "Seconds by stage", ["stage"], buckets=_SWAP_BUCKETS, registry=registry
        )
        self._pause = Histogram(
            "hotswapd_pause_seconds",
            "Seconds in which a change of route kept requests from being taken",
            buckets=_PAUSE_BUCKETS,
            registry=registry,
        )
        self._generation = Gauge(
            "hotswapd_live_generation", "The number of what is live", ["channel"], registry=registry
        )
        self._live = Info("hotswapd_live", "What is live", ["channel"], registry=registry)
        self._queue = Gauge("hotswapd_queue_depth", "Adapters that wait to go live", registry=registry)
        self._up = Gauge("hotswapd_source_up", "1 when the last scan succeeded", ["source"], registry=registry)
        self._scanned = Gauge(
            "hotswapd_source_last_scan_timestamp_seconds", "When it was last scanned", ["source"], registry=registry
        )
        self._recompiles = Counter("hotswapd_recompiles", "Compilations after the warm-up", registry=registry)
        self._stalls = Counter(
            "hotswapd_stalled_seconds", "Seconds in which the process did not run although it should", registry=registry
        )
        self._requests = Counter(
            "hotswapd_requests", "Completions by status and generation", ["code", "generation"], registry=registry
        )
        self._tokens = Counter("hotswapd_tokens", "Tokens written", ["generation"], registry=registry)
        self._key_requests = Counter(
            "hotswapd_key_requests", "Completions by API key and status", ["key", "code"], registry=registry
        )
        self._key_tokens = Counter("hotswapd_key_tokens", "Tokens written by API key", ["key"], registry=registry)
        self._connections = Gauge("hotswapd_connections", "Open HTTP connections", registry=registry)
        self._refused = Counter(
            "hotswapd_connections_refused", "HTTP connections refused, or closed to make room", registry=registry
        )
        self._kept_back = Counter(
            "hotswapd_refusals_kept_back", "Refusals that waited, as their address has had many", registry=registry
        )
        self._of_connections = self._connections, self._refused, self._kept_back
        self._in_berths = _berth_requests(registry)

    def swap(self, outcome: str, source: str, seconds: Mapping[str, float | None], channel: str = DEFAULT) -> None:
        """Count a swap that ended in state `outcome`; `seconds` by stage, of which ``pause`` is one."""
        self._swaps.labels(outcome, source, self._labels.of(channel)).inc()
        for stage, value in seconds.items():
            if value is not None and stage == "pause":
                self._pause.observe(value)
            elif value is not None:
                self._stages.labels(stage).observe(value)

    def paused(self, seconds: float) -> None:
        """Observe how long a change of route kept requests from being taken."""
        self._pause.observe(seconds)

    def live(self, generation: int, uri: str, digest: str, channel: str = DEFAULT) -> None:
        """Set what a channel has live from now on; channels that are beyond counting are not shown."""
        label = self._labels.of(channel)
        if label != OTHERS:
            self._generation.labels(label).set(generation)
            self._live.labels(label).info({"uri": uri, "digest": digest})

    def removed(self, channel: str) -> None:
        """Show a removed channel no longer."""
        for gauge in (self._generation, self._live):
            with suppress(KeyError):  # it was never shown
                gauge.remove(channel)

    def queue(self, depth: int) -> None:
        """Set how many adapters wait."""
        self._queue.set(depth)

    def source(self, name: str, up: bool, scanned: datetime | None = None) -> None:
        """Set how the last scan of a source went, and when."""
        self._up.labels(name).set(int(up))
        self.expect(name, DEFAULT)
        if scanned is not None:
            self._scanned.labels(name).set(scanned.timestamp())

    def expect(self, source: str, channel: str) -> None:
        """Show from now on that nothing of a source has ended in a channel yet."""
        for outcome in _FROM_THE_START:
            self._swaps.labels(outcome.value, source, self._labels.of(channel))

    def recompiled(self, times: int = 1) -> None:
        """Count compilations after the warm-up, which should not happen."""
        self._recompiles.inc(times)

    def stalled(self, seconds: float) -> None:
        """Count seconds in which the process did not run."""
        self._stalls.inc(seconds)

    def request(self, code: int, generation: int | None = None, tokens: int = 0) -> None:
        """Count a completion that was answered with HTTP status `code`, or refused before it had a generation."""
        label = "" if generation is None else str(generation)
        with self._lock:
            self._generations.setdefault(label, set()).add(str(code))
            self._forget(self._beyond_the_newest())
            self._requests.labels(str(code), label).inc()
            if generation is not None:
                self._tokens.labels(label).inc(tokens)

    def key(self, name: str, code: int, tokens: int = 0) -> None:
        """Count a completion of a named key. Names come from the operator's file, so that they are few."""
        self._key_requests.labels(name, str(code)).inc()
        self._key_tokens.labels(name).inc(tokens)

    def connections(self, count: int) -> None:
        """Set how many HTTP connections are open."""
        self._connections.set(count)

    def kept_back(self) -> None:
        """Count a refusal that has to wait."""
        self._kept_back.inc()

    def refused_connection(self) -> None:
        """Count a connection that was refused, or closed to make room."""
        self._refused.inc()

    def client_counts(self) -> tuple[Count, ...]:
        """Return what was counted of clients: an ingress of a fleet tells it to the watcher."""
        families = [family for one in self._of_clients() for family in one.collect()]
        samples = [(family.name, one) for family in families for one in family.samples]
        return tuple((name, tuple(sorted(one.labels.items())), one.value) for name, one in samples)

    def counted_by_ingresses(self) -> IngressCounts:
        """Show what ingresses count in place of what this process does, which answers no client; call it once."""
        own = self._of_clients()
        families = [CounterMetricFamily(one._name, one._documentation, labels=one._labelnames) for one in own]
        for one in (*own, *self._of_connections):
            self.registry.unregister(one)
        told = IngressCounts(families)
        self.registry.register(told)
        return told

    def _of_clients(self) -> tuple[Counter, ...]:
        return self._requests, self._tokens, self._key_requests, self._key_tokens

    def text(
        self, loaded: Iterable[Holder] | None = None, rollouts: Mapping[str, Mapping[str, Any]] | None = None
    ) -> bytes:
        """Render everything in Prometheus' text format.

        `loaded` are the generations in berths, None while there is no engine; `rollouts` are what runs in which
        channel, as in ``GET /status``. A generation that is loaded no more is shown this once, with its last
        counts, and then its series go.
        """
        with self._lock:
            held = self._count_berths(loaded)
            self._count_arms(rollouts or {})
            shown = generate_latest(self.registry)
            if held is not None:
                self._forget(label for label in list(self._generations) if label and label not in held)
        return shown

    def _count_berths(self, loaded: Iterable[Holder] | None) -> set[str] | None:
        """Take the requests as they are now, and name the generations that are loaded."""
        if loaded is None:
            return None
        counts: Tally[tuple[str, str, str]] = Tally()
        for one in loaded:
            for channel in {self._labels.of(name) for name in one.names} or {""}:
                counts[channel, str(one.number), "active"] += one.active
                counts[channel, str(one.number), "waiting"] += one.waiting
        self._in_berths.clear()
        for labels, count in counts.items():
            self._in_berths.labels(*labels).set(count)
        return {generation for _, generation, _ in counts}

    def _count_arms(self, rollouts: Mapping[str, Mapping[str, Any]]) -> None:
        """Show both arms of each rollout side by side; each needs a place on the engine, so that they are few."""
        self._arms.clear()
        for channel, now in rollouts.items():
            for arm, share in (("canary", now["share"]), ("live", 100 - now["share"])):
                counted = dict(now[arm]) | {"share": share}
                generation = str(counted.pop("generation"))
                for what, value in counted.items():
                    self._arms.labels(channel, arm, generation, what).set(value)

    def _beyond_the_newest(self) -> Iterable[str]:
        """Return the generations that would be too many if nobody asked for the text."""
        return sorted((label for label in self._generations if label), key=int)[:-_GENERATIONS]

    def _forget(self, generations: Iterable[str]) -> None:
        for label in generations:
            for code in self._generations.pop(label):
                self._requests.remove(code, label)
            self._tokens.remove(label)
