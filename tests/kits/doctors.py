"""Settings that are checked, and what a check has found."""

from collections.abc import Iterable
from typing import Any

from hotswapd.daemon.config.settings import Settings
from hotswapd.daemon.doctor.finding import Finding, Outcome


def settings(**tables: Any) -> Settings:
    """Build settings; `m` is the base if nothing else is said."""
    return Settings.model_validate({"model": {"base": "m"}, **tables})


def only(found: Iterable[Finding], outcome: str) -> Finding:
    """Return the one finding, which must have this outcome; what is not fine says what to do."""
    (one,) = found
    assert one.outcome == Outcome(outcome), one
    assert bool(one.remedy) == (one.outcome is not Outcome.FINE), one
    return one
