"""A replica, as ``GET /status`` shows it."""

from hotswapd.daemon.engines.protocol import Loaded
from hotswapd.daemon.replicas import ReplicaGeneration, ReplicaStatus, ReplicaTrial

from .orders import Found, Trial
from .roll import Member


def shown(member: Member, now: float) -> ReplicaStatus:
    """Describe it by its last report; `now` is by the clock of `Member.heard`."""
    report = member.report
    return {
        "name": member.name,
        "serving": report.serving,
        "silent": round(max(0.0, now - member.heard), 3),
        "answering": sorted(report.answering),
        "loaded": [_generation(one) for one in report.loaded],
        "active": sum(one.active for one in report.loaded),
        "waiting": sum(one.waiting for one in report.loaded),
        "trial": None if member.last is None else _trial(*member.last),
        "trouble": "; ".join(part.sentence for part in report.sick.values()) or None,
    }


def _generation(one: Loaded) -> ReplicaGeneration:
    return {
        "berth": one.berth,
        "generation": one.number,
        "digest": one.digest,
        "use": one.use,
        "active": one.active,
        "waiting": one.waiting,
    }


def _trial(trial: Trial, found: Found) -> ReplicaTrial:
    part = found.part
    said = (part.code or None), (part.sentence or None)
    return {"digest": trial.digest, "uri": trial.uri, "answer": part.answer, "code": said[0], "sentence": said[1]}
