"""The figures for people: a table on a terminal, plain lines elsewhere."""

import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.table import Table

_SCALES = {
    "s": ((1.0, 1.0, "s"), (1e-3, 1e3, "ms"), (0.0, 1e6, "µs")),
    "bytes": ((1e9, 1e-9, "GB"), (1e6, 1e-6, "MB"), (0.0, 1e-3, "kB")),
}


def figure(value: float, unit: str) -> str:
    """Return a value with three digits, in the size of its unit that reads best."""
    for least, factor, name in _SCALES.get(unit, ((0.0, 1.0, unit),)):
        if abs(value) >= least or least == 0.0:
            return f"{_digits(value * factor)} {name}".strip()
    return f"{_digits(value)} {unit}"


def _digits(value: float) -> str:
    if value == 0 or 1e-3 <= abs(value) < 1000:
        return f"{value:.3g}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.2g}"


def rows(result: dict[str, Any]) -> Iterable[tuple[str, str, str, str, str]]:
    """Yield each series as key, what, median, spread and n."""
    for one in result["series"]:
        unit = one["unit"]
        spread = f"{figure(one['low'], unit)} .. {figure(one['high'], unit)}" if one["n"] > 1 else ""
        yield one["key"], one["what"], figure(one["median"], unit), spread, str(one["n"])


def verdicts(result: dict[str, Any]) -> Iterable[str]:
    """Yield each goal as a line that begins with whether it was met."""
    for goal in result["goals"]:
        word, side = ("met    " if goal["met"] else "NOT MET"), ("at most" if goal["at_most"] else "at least")
        value, limit = figure(goal["value"], goal["unit"]), figure(goal["limit"], goal["unit"])
        yield f"{word} {goal['sentence']}: {value} ({side} {limit})"


def place(result: dict[str, Any]) -> str:
    """Return the machine in one line."""
    machine = result["machine"]
    accelerator = machine["gpu"] or "no GPU"
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    return f"{machine['cpu']}, {machine['cores']} cores, {accelerator}; Python {machine['python']}, {versions}"


def show(result: dict[str, Any]) -> None:
    """Print everything to standard output."""
    console = Console()
    if console.is_terminal:
        table = Table("key", "what", "median", "10th .. 90th percentile", "n", title=place(result))
        for row in rows(result):
            table.add_row(*row)
        console.print(table)
    else:
        sys.stdout.write(place(result) + "\n")
        for key, _, median, spread, n in rows(result):
            sys.stdout.write(f"{key:<48} {median:>12}  {spread:<28} n={n}\n")
    for line in [*verdicts(result), *(f"skipped {one}" for one in result["skipped"] + result["failed"])]:
        sys.stdout.write(line + "\n")
