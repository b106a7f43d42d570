"""``hotswapd check``: say before it is published whether an adapter would be taken. Loads no weights of the base."""

import json
import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Group, RenderableType

from ..swap.errors import BaseUnusable, Misfit, NoSlots, Rejected
from .check_fetch import Unreadable, located
from .check_findings import Findings, examine_adapter
from .commands_talk import complain
from .config import ConfigError, Settings, load_settings
from .config_tables import Admission
from .exits import Exit
from .pages import misfit_table, plain, show


def check(arguments: Namespace) -> int:
    """Check one adapter: 0 when it would be taken, 3 when not, 4 when it or the base cannot be read."""
    try:
        findings = _findings(arguments)
    except ConfigError as error:
        for problem in error.problems:
            complain(str(problem), Exit.CONFIGURATION)
        return Exit.CONFIGURATION
    except NoSlots as error:
        return complain(str(error), Exit.CONFIGURATION)
    except (Unreadable, BaseUnusable) as error:
        return complain(str(error), Exit.UNAVAILABLE)
    _print(findings, arguments.place, arguments.json)
    return Exit.FINE if findings.ok else Exit.REJECTED


def _findings(arguments: Namespace) -> Findings:
    settings = _settings(arguments)
    admission = settings.admission if settings else Admission()
    sources = settings.source if settings else ()
    try:
        with located(arguments.place, sources, admission.max_artifact_bytes) as directory:
            return examine_adapter(directory, settings.model if settings else None, admission)
    except Rejected as error:
        return Findings(error.misfits)


def _settings(arguments: Namespace) -> Settings | None:
    """Put the command line's wishes over the configuration; without a base only structure can be checked."""
    wishes = {"base": arguments.base, "max_rank": arguments.max_rank}
    environ = {f"HOTSWAPD_MODEL__{key.upper()}": str(value) for key, value in wishes.items() if value is not None}
    if arguments.config is None and arguments.base is None:
        return None
    return load_settings(arguments.config, {**os.environ, **environ})


def _print(findings: Findings, place: str, as_json: bool) -> None:
    if as_json:
        misfits = [asdict(misfit) for misfit in findings.misfits]
        sys.stdout.write(json.dumps({"ok": findings.ok, "misfits": misfits, "note": findings.note or None}) + "\n")
        return
    show(_page(findings.misfits, place, findings.note))


def _page(misfits: Sequence[Misfit], place: str, note: str) -> RenderableType:
    verdict = f"{place} would be taken" if not misfits else f"{place} would be refused: {len(misfits)} misfits"
    return Group(plain(verdict), *([misfit_table(misfits)] if misfits else []), *([plain(note)] if note else []))
