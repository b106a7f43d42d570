"""Verification as the pipeline sees it: every gate in order, each verdict in the row, the log and the status."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hotswapd.daemon.config.settings import Settings
from hotswapd.daemon.control.standing import Standing
from hotswapd.daemon.ledger.ledger import Ledger
from hotswapd.daemon.ledger.rows import Row
from hotswapd.daemon.report.verdicts import log, log_verdict
from hotswapd.swap.arena.image import Image
from hotswapd.swap.engine import Engine
from hotswapd.swap.errors import ResidentLost, RolledBack
from hotswapd.swap.gates.spec import Hear, Outcome, Progress, Verdict
from hotswapd.swap.gates.turns import Interrupted, Surroundings
from hotswapd.swap.gates.verifier import Verifier

from .from_config import make_spec
from .judge import Judge

_USUAL = 8
"""Generations whose norms say what is usual."""


@dataclass(frozen=True, slots=True)
class Pauses:
    """How a gate gives way: `between` two turns and while it rests. See `Worker.give_way` and `Worker.rest`."""

    between: Callable[[], None] = lambda: None
    rest: Callable[[float], None] = time.sleep


class Verification:
    """All gates. For the worker's thread."""

    def __init__(self, engine: Engine, ledger: Ledger, standing: Standing, settings: Settings, pauses: Pauses) -> None:
        """Read what [verify] points to. Raises ConfigError."""
        self._ledger = ledger
        self._standing = standing
        around = Surroundings(engine.busy, pauses.rest, pauses.between, self._tell)
        spec = make_spec(settings.verify, engine)
        self._verifier = Verifier(engine.resident, spec, around, context=engine.context, ends=engine.ends)
        command = settings.verify.command
        self._judge = Judge(command, engine, settings.model.base, around) if command else None
        self._prepared = False

    def prepare(self) -> bool:
        """Do what the first candidate would wait for; return whether there was something to do. Raises ResidentLost.

        For when nothing else is to be done: a start is to be ready soon. What goes wrong here is said once, and happens
        to the first candidate again, which ends as its error says.
        """
        if self._prepared:
            return False
        began = time.monotonic()
        try:
            self._verifier.prepare()
        except Interrupted:
            return False
        except ResidentLost:
            raise
        except Exception as error:  # noqa: BLE001 - no candidate is there that it could end
            log.warning("not_prepared", detail=f"the base cannot be read for comparison: {error}")
        else:
            log.debug("prepared", seconds=round(time.monotonic() - began, 2))
        self._prepared = True
        return True

    def run(self, row: Row, image: Image, directory: Path, hear: Hear) -> None:
        """Try a candidate whose files are in `directory`; `hear` gets each verdict.

        Raises RolledBack when a gate fails, NoLane, Unavailable or Interrupted when it could not be tried, and
        ResidentLost.
        """
        self._standing.verifying = {"swap_id": row.swap_id, "uri": row.uri, "gate": "", "done": 0, "total": 0}
        try:
            self._verifier.run(image, lambda verdict: _say(row, verdict, hear), self._usual_norms())
            if self._judge is not None:
                verdict = self._judge.verdict(image, row.uri, directory)
                _say(row, verdict, hear)
                if verdict.outcome == Outcome.FAILED:
                    raise RolledBack(verdict.code, verdict.sentence)
        finally:
            self._standing.verifying = None

    def _tell(self, progress: Progress) -> None:
        now = self._standing.verifying
        if now is not None:
            fresh = {"gate": progress.gate, "done": progress.done, "total": progress.total}
            self._standing.verifying = now | fresh

    def _usual_norms(self) -> list[float]:
        """Read the update norms of the last generations that nobody rolled back from."""
        found: list[float] = []
        for generation in self._ledger.generations.newest(_USUAL, good=True):
            with suppress(KeyError):  # the ledger was lost, and the generation is known from the pointer alone
                verdicts = self._ledger.rows.get(generation.swap_id).verify
                found += [norm for one in verdicts if (norm := one["numbers"].get("update_norm"))]
        return found


def _say(row: Row, verdict: Verdict, hear: Hear) -> None:
    hear(verdict)
    log_verdict(verdict, uri=row.uri, digest=row.digest)
