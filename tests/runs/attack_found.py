"""What an attack came to: times, answers, and what the process held."""

import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

_LOG_BYTES = 10_000_000
_HEALTH = {"p999": 0.1, "max": 0.5}
_SLOWER = 2.0
BACK_BYTES = 100 << 20
BACK_FILES = 8


@dataclass(slots=True)
class Phase:
    """What was seen while one attack went on; seconds, each from the question to the first byte of an answer.

    `elsewhere` are those of the first tokens while the same attack was made on a bystander.
    """

    name: str
    health: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    found: list[str] = field(default_factory=list)
    elsewhere: list[float] = field(default_factory=list)

    def record(self) -> dict[str, Any]:
        return {
            "attack": self.name,
            "health": _spread(self.health),
            "first_token": _spread(self.first),
            "first_token_elsewhere": _spread(self.elsewhere),
            "answers": len(self.first),
            "wrong": self.wrong[:5],
            "failed": self.failed[:5],
            "found": self.found[:5],
        }


def _spread(seconds: list[float]) -> dict[str, float]:
    if not seconds:
        return {}
    ordered = sorted(seconds)
    shares = {"p50": 0.5, "p95": 0.95, "p999": 0.999, "max": 1.0}
    found = {name: round(ordered[min(len(ordered) - 1, int(len(ordered) * of))], 4) for name, of in shares.items()}
    return found | {"count": len(ordered)}


@dataclass(slots=True)
class Held:
    """What a process holds."""

    rss: int
    files: int

    @classmethod
    def of(cls, pid: int) -> "Held":
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return cls(pages * os.sysconf("SC_PAGE_SIZE"), len(os.listdir(f"/proc/{pid}/fd")))


@dataclass(slots=True)
class Attacked:
    """What the whole run came to."""

    before: Held
    most: Held
    after: Held
    phases: list[Phase]
    log_bytes: int
    same_process: bool

    def faults(self) -> list[str]:
        """Name everything that must hold and does not, but for the times."""
        found = [f"{phase.name}: {one}" for phase in self.phases for one in (*phase.wrong, *phase.failed, *phase.found)]
        if not self.same_process:
            found.append("the daemon did not survive")
        if self.log_bytes > _LOG_BYTES:
            found.append(f"the log has {self.log_bytes} bytes")
        if self.after.files > self.before.files + BACK_FILES:
            found.append(f"{self.after.files - self.before.files} more descriptors afterwards")
        if self.after.rss > self.before.rss + BACK_BYTES:
            found.append(f"{(self.after.rss - self.before.rss) >> 20} MiB more memory afterwards")
        return found

    def slow(self) -> list[str]:
        """Name every attack under which health or users waited for longer than the goal.

        Users may wait twice as long as undisturbed, or as beside the same attack on somebody else if that is more.
        """
        found, quiet = [], _spread(self.phases[0].first)["p50"]
        for phase in self.phases[1:]:
            health, first = _spread(phase.health), _spread(phase.first)
            found += [
                f"{phase.name}: health {of} {health[of]} s" for of, most in _HEALTH.items() if health.get(of, 9) > most
            ]
            usual = max(quiet, _spread(phase.elsewhere).get("p50", 0.0))
            if first.get("p50", 9) > _SLOWER * usual:
                found.append(f"{phase.name}: first token after {first.get('p50')} s, else {usual} s")
        return found

    def record(self) -> dict[str, Any]:
        return {
            "before": asdict(self.before),
            "most": asdict(self.most),
            "after": asdict(self.after),
            "log_bytes": self.log_bytes,
            "phases": [phase.record() for phase in self.phases],
            "faults": self.faults(),
            "slow": self.slow(),
        }
