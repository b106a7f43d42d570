"""The verdicts of the gates, as a log line and as a record."""

import math
from typing import Any

import structlog

from hotswapd.daemon.answers import VerdictRecord
from hotswapd.swap.gates.spec import Outcome, Verdict

log = structlog.get_logger(__name__)


def log_verdict(verdict: Verdict, **where: Any) -> None:
    """Log one verdict with its numbers, to six digits; `where` are further fields of the line."""
    level = "info" if verdict.outcome == Outcome.PASSED else "warning"
    said = {"code": verdict.code, "detail": verdict.sentence} if verdict.code else {}
    numbers = {name: float(f"{number:.6g}") for name, number in verdict.numbers.items()}
    getattr(log, level)("verdict", gate=verdict.gate, outcome=verdict.outcome.value, **where, **said, **numbers)


def record(verdict: Verdict) -> VerdictRecord:
    """Write a verdict as the ledger, ``GET /history`` and `check --verify --json` have it; JSON has no infinity."""
    numbers = {name: number if math.isfinite(number) else None for name, number in verdict.numbers.items()}
    return {
        "gate": verdict.gate,
        "outcome": verdict.outcome.value,
        "code": verdict.code or None,
        "sentence": verdict.sentence or None,
        "numbers": numbers,
    }
