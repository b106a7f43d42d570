"""What a watcher knows of each replica, as metrics: they are made anew each time, since replicas come and go."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from hotswapd.daemon.replicas import ReplacedStatus, ReplicaStatus


def replica_metrics(replicas: Sequence[ReplicaStatus], replaced: ReplacedStatus | None = None) -> bytes:
    """Render them in Prometheus' text format; nothing for one daemon, which has none."""
    if not replicas and replaced is None:
        return b""
    registry = CollectorRegistry()
    if replaced is not None:
        gone = Counter("hotswapd_replicas_replaced", "Replicas taken out for good", ["code"], registry=registry)
        for code, count in replaced["counts"].items():
            gone.labels(code).inc(count)
    of = ["replica"]
    serving = Gauge("hotswapd_replica_serving", "1 when the replica is in rotation", of, registry=registry)
    silent = Gauge("hotswapd_replica_silent_seconds", "Seconds since its last report", of, registry=registry)
    answering = Gauge("hotswapd_replica_generations", "Generations that it answers for", of, registry=registry)
    requests = Gauge("hotswapd_replica_requests", "Requests that it has", [*of, "state"], registry=registry)
    for one in replicas:
        name = one["name"]
        serving.labels(name).set(one["serving"])
        silent.labels(name).set(one["silent"])
        answering.labels(name).set(len(one["answering"]))
        requests.labels(name, "active").set(one["active"])
        requests.labels(name, "waiting").set(one["waiting"])
    return generate_latest(registry)
