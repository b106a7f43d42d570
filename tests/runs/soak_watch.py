"""What a process holds, over time, and how that grows."""

import os
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

_ESTABLISHED = "01"


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample of a process: seconds since the beginning, bytes, and counts. `swaps` is its live generation.

    `sockets` are those but its clients' connections: how many of these there are is the clients' doing.
    """

    at: float
    rss: int
    pss: int
    anonymous: int
    threads: int
    files: int
    sockets: int
    swaps: int
    requests: int

    def record(self) -> dict[str, float]:
        return asdict(self)


def look(pid: int, at: float, swaps: int, requests: int, port: int = 0) -> Sample:
    """Read what the kernel says of a process, which has clients at this port."""
    memory = _sizes(Path(f"/proc/{pid}/smaps_rollup"))
    status = _sizes(Path(f"/proc/{pid}/status"))
    links = [_target(Path(f"/proc/{pid}/fd") / name) for name in os.listdir(f"/proc/{pid}/fd")]
    sockets = sum(link.startswith("socket:") for link in links)
    files, sockets = len(links) - sockets, sockets - (_connections(port) if port else 0)
    rss, pss, anonymous = (1024 * memory[name] for name in ("Rss", "Pss", "Anonymous"))
    return Sample(at, rss, pss, anonymous, status["Threads"], files, sockets, swaps, requests)


def _connections(port: int) -> int:
    """Count the connections at a port of this machine that both ends hold: one whose client has gone is not counted."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[1].endswith(f":{port:04X}") and row[3] == _ESTABLISHED for row in rows)


def _sizes(path: Path) -> dict[str, int]:
    lines = (line.split() for line in path.read_text().splitlines())
    return {words[0].rstrip(":"): int(words[1]) for words in lines if len(words) > 1 and words[1].isdigit()}


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except FileNotFoundError:
        return ""  # closed meanwhile


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Fit a line by least squares and return its slope."""
    return statistics.linear_regression(*zip(*points, strict=True)).slope


def after_warm_up(samples: Sequence[Sample], share: float = 1 / 3) -> list[Sample]:
    """Leave out the first third of the time, in which caches fill."""
    return [sample for sample in samples if sample.at >= share * samples[-1].at]


def growth(samples: Sequence[Sample]) -> dict[str, float]:
    """Compute how much a process grew after its warm-up: bytes an hour, and the medians' differences of the counts."""
    steady = after_warm_up(samples)
    half = len(steady) // 2
    grown = {
        f"{name}_bytes_per_hour": 3600 * slope([(one.at, getattr(one, name)) for one in steady])
        for name in ("rss", "pss", "anonymous")
    }
    counts = {
        name: _median(steady[half:], name) - _median(steady[:half], name) for name in ("threads", "files", "sockets")
    }
    swaps = steady[-1].swaps - steady[0].swaps
    return {**grown, **counts, "swaps": swaps, "rss_bytes_per_swap": _per_swap(steady)}


def _median(samples: Sequence[Sample], name: str) -> float:
    return float(statistics.median(getattr(one, name) for one in samples))


def _per_swap(samples: Sequence[Sample]) -> float:
    points = [(float(one.swaps), float(one.rss)) for one in samples]
    return slope(points) if len({at for at, _ in points}) > 1 else 0.0


def watch(
    pid: int, every: float, swaps: Callable[[], int], requests: Callable[[], int], over: threading.Event, port: int
) -> list[Sample]:
    """Sample every so many seconds until it is over; a process that has died ends it with FileNotFoundError."""
    samples, began = [], time.monotonic()
    while True:
        samples.append(look(pid, time.monotonic() - began, swaps(), requests(), port))
        if over.wait(every):
            return samples
