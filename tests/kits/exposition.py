"""The metrics as Prometheus reads them."""

from collections.abc import Iterable
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from hotswapd.daemon.answers import RolloutStatus
from hotswapd.daemon.report.metrics import Metrics

Sample = tuple[dict[str, str], float]
ROLLOUT: RolloutStatus = {
    "kind": "canary",
    "share": 5.0,
    "steps": [5.0, 100.0],
    "salt": "s",
    "seconds": 1.0,
    "waits_for": None,
    "live": {"generation": 1, "requests": 9, "errors": 0, "degenerate": 0, "non_finite": 0, "feedback": 0},
    "canary": {"generation": 2, "requests": 3, "errors": 1, "degenerate": 0, "non_finite": 0, "feedback": 0},
}


@dataclass(frozen=True, slots=True)
class Held:
    """A generation that is on the engine."""

    number: int
    active: int
    waiting: int
    names: tuple[str, ...] = ()


def samples(
    metrics: Metrics, loaded: Iterable[Held] | None = None, rollout: RolloutStatus | None = None
) -> dict[str, list[Sample]]:
    """Map each series' name to its labels and values."""
    families = text_string_to_metric_families(metrics.text(loaded, {"default": rollout} if rollout else {}).decode())
    found: dict[str, list[Sample]] = {}
    for sample in (sample for family in families for sample in family.samples):
        found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found
