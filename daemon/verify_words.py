"""A verdict in words: as JSON says it, and as a table for a person."""

import math
from collections.abc import Sequence
from typing import Any

from rich.console import RenderableType
from rich.table import Table

from ..swap.verify_spec import Verdict
from .pages import plain

_COLOURS = {"passed": "green", "warned": "yellow", "failed": "red"}


def record(verdict: Verdict) -> dict[str, Any]:
    """Say a verdict as the ledger, ``GET /history`` and `check --verify --json` do; JSON has no infinity."""
    numbers = {name: number if math.isfinite(number) else None for name, number in verdict.numbers.items()}
    return {
        "gate": verdict.gate,
        "outcome": verdict.outcome.value,
        "code": verdict.code or None,
        "sentence": verdict.sentence or None,
        "numbers": numbers,
    }


def verdict_table(verdicts: Sequence[Verdict]) -> RenderableType:
    """Lay out what each gate found."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in ("gate", "outcome", "why", "numbers"):
        table.add_column(column, overflow="fold")
    for verdict in verdicts:
        numbers = ", ".join(f"{name} {number:.4g}" for name, number in verdict.numbers.items())
        why = f"{verdict.code}: {verdict.sentence}" if verdict.code else ""
        outcome = plain(verdict.outcome.value, _COLOURS[verdict.outcome.value])
        table.add_row(plain(verdict.gate), outcome, plain(why), plain(numbers))
    return table
