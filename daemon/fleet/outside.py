"""What the engine of a watcher needs of others, and what it holds of a candidate."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from structlog.contextvars import get_contextvars

from hotswapd.daemon.engines.protocol import Staged
from hotswapd.daemon.ledger.generation import Generation

from .orders import Trial
from .roll import Lost


class Tried(Staged):
    """What every replica has for a candidate. `trial` is None for what they hold because it is, or was, live."""

    __slots__ = ("trial",)

    def __init__(self, digest: str, number: int | None = None, trial: Trial | None = None) -> None:
        super().__init__(digest, number)
        self.trial = trial


def tried(staged: Staged) -> Tried:
    """Return it as what a fleet's engine has made."""
    assert isinstance(staged, Tried)
    return staged


def swap_id() -> str:
    """Return that of the candidate that the worker is at, as its log lines have it; empty if it is at none."""
    return str(get_contextvars().get("swap_id", ""))


def swap_of(staged: Staged) -> str:
    """Return that of the candidate that this was; else that of what the worker is at."""
    trial = tried(staged).trial
    return trial.swap_id if trial is not None and trial.swap_id else swap_id()


@dataclass(frozen=True, slots=True)
class Outside:
    """What the engine needs of others: `admit` raises Rejected, `send` puts bytes where replicas fetch them.

    `record` returns what a channel's own pointer says, as `Generation.record` does. `replace` is called with each
    replica that is lost for good. `on_wait` is called whenever the engine can only wait.
    """

    admit: Callable[[Path], object]
    send: Callable[[str], None]
    record: Callable[[str], Mapping[str, Any] | None]
    replace: Callable[[Lost], None] = lambda lost: None
    on_wait: Callable[[], None] = lambda: None

    def recorded(self, digest: str, number: int, name: str) -> Mapping[str, Any]:
        """Return what the channel's own pointer says; less, where it could not be written yet (`Live.go_back`)."""
        found = self.record(name)
        if found is not None and (found["generation"], found["digest"]) == (number, digest):
            return found
        return Generation(number, "", "", digest, time.time(), channel=name).record()
