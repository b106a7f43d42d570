"""Every configured gate, in order: those on the model itself, then the external judge."""

import time
from collections.abc import Callable
from typing import Any

import structlog

from hotswapd.daemon.config.settings import Settings
from hotswapd.daemon.config.verify import Verify
from hotswapd.swap.engine import Engine
from hotswapd.swap.errors import Interrupted, ResidentLost, RolledBack
from hotswapd.swap.gates.reading import Reading
from hotswapd.swap.gates.spec import OnVerdict, Outcome, Verdict
from hotswapd.swap.gates.tokenizer import tokenizer_verdict
from hotswapd.swap.gates.turns import Surroundings
from hotswapd.swap.gates.verifier import Verifier

from .candidacy import Candidacy
from .from_config import make_spec
from .judge import Judge

log = structlog.get_logger(__name__)


def verification(settings: Settings) -> "Callable[[Engine, Surroundings], ByChannel]":
    """Return what makes the gates of a configuration for an engine; it raises ConfigError."""
    return lambda engine, around: ByChannel(engine, settings, around)


class ByChannel:
    """The gates of all channels: those of ``[verify]``, and those of channels that have a table of their own."""

    def __init__(self, engine: Engine, settings: Settings, around: Surroundings) -> None:
        """Read the files that the tables name. Raises ConfigError."""
        probe: list[Reading] = []
        self._common = Verification(engine, settings, around, base_probe=probe)
        own = [table.name for table in settings.channel if table.verify is not None]
        self._own = {name: Verification(engine, settings, around, settings.verify_of(name), probe) for name in own}

    def prepare(self) -> bool:
        """Do in advance what the first candidate would wait for; return whether there was anything to do."""
        return self._common.prepare()

    def run(self, candidacy: Candidacy, on_verdict: OnVerdict) -> None:
        """Try a candidate by its channel's gates; see `Verification.run`."""
        self._own.get(candidacy.name, self._common).run(candidacy, on_verdict)


class Verification:
    """Runs all gates. For the worker's thread."""

    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        around: Surroundings,
        verify: Verify | None = None,
        base_probe: list[Reading] | None = None,
    ) -> None:
        """Read the files that `verify` names, in place of [verify]; see `Verifier` for the rest. Raises ConfigError."""
        verify = verify or settings.verify
        spec = make_spec(verify, engine)
        sizes: dict[str, Any] = {"context": engine.context, "ends": engine.ends}
        self._verifier = Verifier(engine.resident, spec, around, **sizes, base_probe=base_probe)
        command = verify.command
        self._judge = Judge(command, engine, settings.model.base, around) if command else None
        self._tokenizer, self._policy = engine.resident.tokenizer, settings.admission.tokenizer
        self._prepared = False

    def prepare(self) -> bool:
        """Do in advance what the first candidate would wait for; return whether there was anything to do.

        It is done when the worker is idle, not at the start, which must be ready soon. An error is logged once, and
        happens again to the first candidate, which it ends. Raises ResidentLost.
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
        except Exception as error:  # noqa: BLE001 - it would end a candidate, and there is none yet
            log.warning("not_prepared", detail=f"the base cannot be read for comparison: {error}")
        else:
            log.debug("prepared", seconds=round(time.monotonic() - began, 2))
        self._prepared = True
        return True

    def run(self, candidacy: Candidacy, on_verdict: OnVerdict) -> None:
        """Try a candidate; `on_verdict` gets each verdict, a failed one too.

        Raises RolledBack if a gate fails, Unavailable or Interrupted if it could not be tried, and ResidentLost.
        """
        one = candidacy
        differs = tokenizer_verdict(one.directory, self._tokenizer, self._policy)
        if differs is not None:
            _pass(differs, on_verdict)
        self._verifier.run(one.image, on_verdict, one.usual_norms, one.live, one.replay, thorough=one.thorough)
        if self._judge is None or not one.thorough:
            return
        _pass(self._judge.verdict(one.image, one.uri, one.directory), on_verdict)


def _pass(verdict: Verdict, on_verdict: OnVerdict) -> None:
    on_verdict(verdict)
    if verdict.outcome == Outcome.FAILED:
        raise RolledBack(verdict.code, verdict.sentence)
