"""``hotswapd check --verify``: the gates of [verify], on the base itself, without a daemon."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from transformers.utils.logging import disable_progress_bar

from hotswapd.daemon.config.settings import Settings
from hotswapd.daemon.config.specs import engine_spec, resident_spec
from hotswapd.daemon.gates.from_config import make_spec, read_replay, require_readable
from hotswapd.daemon.gates.judge import Judge
from hotswapd.loaders.store.store import digest_of
from hotswapd.swap.berths.image import Image
from hotswapd.swap.engine import Engine
from hotswapd.swap.errors import RolledBack
from hotswapd.swap.gates.spec import Outcome, Verdict
from hotswapd.swap.gates.tokenizer import tokenizer_verdict
from hotswapd.swap.gates.turns import Surroundings
from hotswapd.swap.gates.verifier import Verifier
from hotswapd.swap.resident.resident import Resident

_BERTHS = 3
"""One for the adapter, one for what is taken as live, and one that the start needs for a moment."""


@dataclass(frozen=True, slots=True)
class Beside:
    """What an adapter is compared with: the directory of one that counts as live, and a file of answers that it gave.

    What a daemon serves is not known here: without the first a dataset is compared only with the base.
    """

    live: Path | None = None
    replay: Path | None = None


def verify_adapter(directory: Path, place: str, settings: Settings, beside: Beside) -> list[Verdict]:
    """Run the gates on an adapter that fits, until one fails.

    Raises ConfigError, StartError, Unavailable, OSError or Rejected.
    """
    require_readable(settings.verify)
    disable_progress_bar()
    verdicts: list[Verdict] = []
    with _engine(settings) as engine:
        resident = engine.resident
        verifier = Verifier(
            resident, make_spec(settings.verify, engine), Surroundings(), context=engine.context, ends=engine.ends
        )
        replay = read_replay(beside.replay, engine) if beside.replay is not None else None
        live = _staged(resident, beside.live) if beside.live is not None else None
        image = _staged(resident, directory)
        with suppress(RolledBack):  # the last verdict is the one that failed
            differs = tokenizer_verdict(directory, resident.tokenizer, settings.admission.tokenizer)
            if differs is not None:
                verdicts.append(differs)
            if differs is None or differs.outcome != Outcome.FAILED:
                verifier.run(image, verdicts.append, live=live, replay=replay)
            _ask_the_judge(engine, image, directory, place, settings, verdicts)
    return verdicts


def _staged(resident: Resident, directory: Path) -> Image:
    return resident.stage(resident.admit(directory), digest_of(directory))


def _ask_the_judge(
    engine: Engine, image: Image, directory: Path, place: str, settings: Settings, verdicts: list[Verdict]
) -> None:
    command = settings.verify.command
    if command is None:
        return
    engine.open()
    judge = Judge(command, engine, settings.model.base, Surroundings())
    verdicts.append(judge.verdict(image, place, directory))


@contextmanager
def _engine(settings: Settings) -> Iterator[Engine]:
    """Load the base as the daemon does; the loop is started only for a judge."""
    resident = Resident.open(replace(resident_spec(settings), berths=_BERTHS))
    engine = Engine(resident, replace(engine_spec(settings), compile=False))
    try:
        yield engine
    finally:
        engine.close(0.0)
        resident.close()
