"""What a fleet's ingresses have counted of their clients, among the watcher's metrics: one daemon's names, by ingress.

Each ingress says how much it has counted since it started. So what it says may be lost or come twice, a watcher that
starts again shows what was there before, and nothing is added up that could go back.
"""

import threading
import time
from collections.abc import Callable, Iterable, Sequence

from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

Count = tuple[str, tuple[tuple[str, str], ...], float]
"""A counter's name without ``_total``, its labels, and what it has come to."""
_SILENT = 60.0
_SHOWN = 12


class IngressCounts(Collector):
    """The counters of all ingresses that speak. Every method is legal on any thread."""

    def __init__(self, families: Sequence[CounterMetricFamily], clock: Callable[[], float] = time.monotonic) -> None:
        """Know no ingress. `families` are the counters that an ingress has, without samples; `clock` is in seconds."""
        self._families = {one.name: (one.documentation, tuple(one._labelnames)) for one in families}
        self._clock = clock
        self._lock = threading.Lock()
        self._said: dict[str, tuple[Sequence[Count], float]] = {}

    def hear(self, ingress: str, counts: Sequence[Count]) -> None:
        """Take in all that an ingress has counted. One that is silent for a minute is shown no longer."""
        now = self._clock()
        with self._lock:
            self._said[ingress] = counts, now
            for name in [name for name, (_, heard) in self._said.items() if now - heard > _SILENT]:
                del self._said[name]

    def collect(self) -> Iterable[CounterMetricFamily]:
        """Return the counters, each with a label for its ingress; what a newer ingress counts besides is left out."""
        with self._lock:
            said = [(name, count) for name, (counts, _) in self._said.items() for count in counts]
        made = {
            name: CounterMetricFamily(name, text, labels=[*labels, "ingress"])
            for name, (text, labels) in self._families.items()
        }
        for ingress, (name, labels, value) in said:
            values, family = dict(labels), made.get(name)
            if family is not None:
                known = self._families[name][1]
                family.add_metric([*(values.get(label, "") for label in known), ingress[:_SHOWN]], value)
        return made.values()
