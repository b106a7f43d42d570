"""The CPU time of processes and of all that they have started, by Linux's own count."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(roots: Iterable[int], without: Iterable[int] = ()) -> float:
    """Return the seconds that processes and their descendants have had, leaving out some with theirs.

    Processes that have ended are not counted.
    """
    stats = dict(_stats())
    left_out = set(_below(without, stats))
    return sum(stats[pid][1] for pid in set(_below(roots, stats)) - left_out) / _TICKS


def _below(roots: Iterable[int], stats: dict[int, tuple[int, int]]) -> Iterator[int]:
    """Yield the roots that live, and whoever has one of them above it."""
    known = set(roots)
    found = known & stats.keys()
    while found:
        yield from found
        found = {pid for pid, (parent, _) in stats.items() if parent in found} - known
        known |= found


def _stats() -> Iterator[tuple[int, tuple[int, int]]]:
    """Yield each process's parent, and the clock ticks that it has had."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended
        yield int(path.parent.name), (int(fields[1]), int(fields[11]) + int(fields[12]))
