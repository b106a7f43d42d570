"""The states of a rollout: nothing, a canary, a comparison by hand, or a canary whose end is not written yet."""

from dataclasses import dataclass, field
from typing import Any

from hotswapd.daemon.answers import VerdictRecord
from hotswapd.daemon.engines.protocol import Staged
from hotswapd.daemon.ledger.states import State

from .trial import Decision, Trial


@dataclass(frozen=True, slots=True)
class Nothing:
    """Nothing is beside the live generation."""


@dataclass(slots=True)
class Canary:
    """A verified candidate is beside the live generation, and its requests decide what becomes of it.

    `decided` is a decision that could not be carried out yet; `notes` are the verdicts for its row.
    """

    swap_id: str
    staged: Staged
    trial: Trial
    decided: Decision | None = None
    notes: list[VerdictRecord] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ByHand:
    """An operator put an older generation beside the live one, and decides."""

    staged: Staged
    trial: Trial


@dataclass(frozen=True, slots=True)
class End:
    """How a candidate's time as a canary ends; `fields` are further columns of its row."""

    state: State
    reason: str
    detail: str
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unwritten:
    """A canary has ended and takes no more requests, but the end is not in the ledger yet."""

    swap_id: str
    end: End
    notes: list[VerdictRecord]


Standing = Nothing | Canary | ByHand | Unwritten
