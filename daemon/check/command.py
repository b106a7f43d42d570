"""``hotswapd check``: tell whether an adapter would be taken, before it is published.

Loads no weights of the base unless the gates are to be run.
"""

import json
import os
import sys
from argparse import Namespace
from contextlib import redirect_stdout
from dataclasses import asdict, replace
from pathlib import Path

from rich.console import Group, RenderableType

from hotswapd.daemon.config.settings import ConfigError, Settings, load_settings
from hotswapd.daemon.config.tables import Admission
from hotswapd.daemon.host.exits import Exit
from hotswapd.daemon.report.verdicts import record
from hotswapd.daemon.terminal.complaint import complain
from hotswapd.daemon.terminal.misfits import misfit_table
from hotswapd.daemon.terminal.verdicts import verdict_table
from hotswapd.daemon.terminal.words import plain, show
from hotswapd.loaders.errors import Unavailable
from hotswapd.loaders.publish.snapshot import adapters_in, require_listed
from hotswapd.swap.codes import FilesCode
from hotswapd.swap.errors import BaseUnservable, DeviceMissing, NoSlots, Rejected, StartError

from .fetch import Unreadable, located
from .findings import Findings, examine_adapter
from .ignoring import ignored_at


def check(arguments: Namespace) -> int:
    """Check one adapter: 0 if it would be taken, 3 if not, 4 if it or the base cannot be read.

    78 if the base as configured could never be served.
    """
    try:
        with redirect_stdout(sys.stderr):  # a library, or code of the base, may print, and ours may be JSON
            findings = _findings(arguments)
    except ConfigError as error:
        for problem in error.problems:
            complain(str(problem), Exit.CONFIGURATION)
        return Exit.CONFIGURATION
    except BadUse as error:
        return complain(str(error), Exit.USAGE)
    except (NoSlots, BaseUnservable) as error:
        return complain(str(error), Exit.CONFIGURATION)
    except DeviceMissing as error:
        return complain(str(error), Exit.TRY_AGAIN)
    except (Unreadable, StartError, Unavailable, OSError) as error:
        return complain(str(error), Exit.UNAVAILABLE)
    _print(findings, arguments.place, arguments.json)
    return Exit.FINE if findings.ok else Exit.REJECTED


def _findings(arguments: Namespace) -> Findings:
    if arguments.replay is not None and arguments.live is None:
        raise BadUse("--replay needs the adapter that gave the answers: name its directory with --live")
    if arguments.live is not None and not arguments.verify:
        raise BadUse("--live is for the gates: add --verify")
    settings = _settings(arguments)
    admission = settings.admission if settings else Admission()
    sources = settings.source if settings else ()
    try:
        with located(arguments.place, sources, admission.max_artifact_bytes) as directory:
            found = examine_adapter(directory, settings.model if settings else None, admission)
            if found.ok:
                require_listed(directory)
            found = replace(found, ignored=ignored_at(arguments.place, sources))
            if not arguments.verify or not found.ok:
                return _aimed(found, directory)
            return _verified(found, directory, arguments, settings)
    except Rejected as error:
        return Findings(error.misfits)


def _aimed(found: Findings, directory: Path) -> Findings:
    """Add where adapters were found, if the directory itself has no part of one."""
    nothing = {FilesCode.CONFIG_MISSING, FilesCode.WEIGHTS_MISSING} <= {misfit.code for misfit in found.misfits}
    below = adapters_in(directory) if nothing else ""
    return replace(found, note=f"it holds no adapter itself, but {below}") if below else found


class BadUse(Exception):
    """The gates were asked for without what they need: a base, or what is live for its answers."""


def _verified(found: Findings, directory: Path, arguments: Namespace, settings: Settings | None) -> Findings:
    """Also run the gates, on the model itself."""
    if settings is None:
        raise BadUse("--verify needs the base: name it with --config or --base")
    from .gates import Beside, verify_adapter  # late: it imports the model's code, which takes seconds

    beside = Beside(arguments.live, arguments.replay)
    return replace(found, verdicts=tuple(verify_adapter(directory, arguments.place, settings, beside)))


def _settings(arguments: Namespace) -> Settings | None:
    """Read the configuration, overridden by the command line; without a base only the structure can be checked."""
    overrides = {"base": arguments.base, "max_rank": arguments.max_rank}
    environ = {f"HOTSWAPD_MODEL__{key.upper()}": str(value) for key, value in overrides.items() if value is not None}
    if arguments.config is None and arguments.base is None:
        return None
    return load_settings(arguments.config, {**os.environ, **environ})


def _print(findings: Findings, place: str, as_json: bool) -> None:
    if as_json:
        misfits = [asdict(misfit) for misfit in findings.misfits]
        said = {"ok": findings.ok, "misfits": misfits, "note": findings.note or None}
        if findings.ignored:
            said["ignored"] = findings.ignored
        if findings.warnings:
            said["warnings"] = [asdict(warning) for warning in findings.warnings]
        if findings.verdicts:
            said["verify"] = [record(verdict) for verdict in findings.verdicts]
        sys.stdout.write(json.dumps(said) + "\n")
        return
    show(_page(findings, place))


def _page(findings: Findings, place: str) -> RenderableType:
    misfits, verdicts = findings.misfits, findings.verdicts
    count = f"{len(misfits)} misfits" if misfits else "it fails a gate"
    taken = "taken under another name" if findings.ignored else "taken"
    parts: list[RenderableType] = [plain(f"{place} would be {taken if findings.ok else f'refused: {count}'}")]
    parts += [plain(f"here {findings.ignored}")] if findings.ignored else []
    parts += [misfit_table(misfits)] if misfits else []
    parts += [plain(f"warning: {warning}") for warning in findings.warnings]
    parts += [verdict_table(verdicts)] if verdicts else []
    return Group(*parts, *([plain(findings.note)] if findings.note else []))
