"""``hotswapd check``: say before it is published whether an adapter would be taken. Loads no weights of the base."""

import json
import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Group, RenderableType

from ..loaders.uri import AdapterURI
from ..swap.errors import BaseUnusable, Misfit, NoSlots
from .check_findings import Findings, examine_adapter
from .commands_talk import complain
from .config import ConfigError, load_settings
from .config_tables import Admission, Model
from .exits import Exit
from .pages import misfit_table, plain, show


class Unreadable(Exception):
    """There is no directory to check here, or none that this command can read."""


def check(arguments: Namespace) -> int:
    """Check one directory: 0 when it would be taken, 3 when not, 4 when it or the base cannot be read."""
    try:
        directory = _directory(arguments.directory)
        findings = examine_adapter(directory, *_policy(arguments))
    except ConfigError as error:
        for problem in error.problems:
            complain(str(problem), Exit.CONFIGURATION)
        return Exit.CONFIGURATION
    except NoSlots as error:
        return complain(str(error), Exit.CONFIGURATION)
    except (Unreadable, BaseUnusable) as error:
        return complain(str(error), Exit.UNAVAILABLE)
    _print(findings, str(directory), arguments.json)
    return Exit.FINE if findings.ok else Exit.REJECTED


def _directory(text: str) -> Path:
    try:
        uri = AdapterURI.parse(text) if "://" in text else AdapterURI.of_path(Path(text).absolute())
    except ValueError as error:
        raise Unreadable(str(error)) from None
    if uri.scheme != "file":
        raise Unreadable(f"{uri} is not on this machine: copy it into a directory and check that")
    directory = Path(uri.location)
    if not os.path.isdir(directory):  # noqa: PTH112 - Path.is_dir raises on odd names
        raise Unreadable(f"{directory} is no directory that can be read")
    return directory


def _policy(arguments: Namespace) -> tuple[Model | None, Admission]:
    """Put the command line's wishes over the configuration; no model means that only structure can be checked."""
    wishes = {"base": arguments.base, "max_rank": arguments.max_rank}
    environ = {f"HOTSWAPD_MODEL__{key.upper()}": str(value) for key, value in wishes.items() if value is not None}
    if arguments.config is None and arguments.base is None:
        return None, Admission()
    settings = load_settings(arguments.config, {**os.environ, **environ})
    return settings.model, settings.admission


def _print(findings: Findings, directory: str, as_json: bool) -> None:
    if as_json:
        misfits = [asdict(misfit) for misfit in findings.misfits]
        sys.stdout.write(json.dumps({"ok": findings.ok, "misfits": misfits, "note": findings.note or None}) + "\n")
        return
    show(_page(findings.misfits, directory, findings.note))


def _page(misfits: Sequence[Misfit], directory: str, note: str) -> RenderableType:
    verdict = f"{directory} would be taken" if not misfits else f"{directory} would be refused: {len(misfits)} misfits"
    return Group(plain(verdict), *([misfit_table(misfits)] if misfits else []), *([plain(note)] if note else []))
