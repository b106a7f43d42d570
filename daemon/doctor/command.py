"""``hotswapd doctor``: every check in order, as a table or as JSON."""

import json
import os
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from importlib.metadata import version

from rich.console import Console, Group, RenderableType

from hotswapd.daemon.config.line import Line
from hotswapd.daemon.config.settings import ConfigError, Settings, load_settings
from hotswapd.daemon.host.exits import Exit
from hotswapd.daemon.terminal.complaint import complain
from hotswapd.daemon.terminal.words import BAD, BUSY, GOOD, plain, show, table_of

from .finding import Check, Finding, Outcome, fails, fine

_STYLES = {Outcome.FINE: GOOD, Outcome.NOTE: BUSY, Outcome.FAILS: f"bold {BAD}"}
_LIBRARIES = ("torch", "transformers", "peft")


def doctor(arguments: Namespace) -> int:
    """Look at everything: 0 if nothing would stop the daemon, 78 otherwise, 2 for a wrong command line."""
    if arguments.config is not None and arguments.base is not None:
        return complain("name a configuration with --config, or BASE and SOURCE, not both", Exit.USAGE)
    console = Console(stderr=True)
    busy = console.status("looking") if console.is_terminal else nullcontext()
    with busy:
        findings = list(_findings(arguments))
    _print(findings, arguments.json)
    return Exit.CONFIGURATION if any(one.outcome is Outcome.FAILS for one in findings) else Exit.FINE


def _findings(arguments: Namespace) -> Iterator[Finding]:
    yield _versions()
    try:
        settings = _settings(arguments)
    except ConfigError as error:
        for problem in error.problems:
            yield fails("configuration", str(problem), "correct it")
        settings = None
    else:
        if settings is not None:
            yield fine("configuration", "every key is right")
    for check in checks():
        yield from check(settings)


def checks() -> tuple[Check, ...]:
    """Return every check, in the order of the table. Imports torch, which takes seconds."""
    from .clock import check_clock
    from .compiler import check_compiler
    from .device import check_device
    from .files import check_files
    from .memory import check_memory
    from .port import check_port
    from .sources import check_sources
    from .state import check_state
    from .watches import check_watches

    return (
        check_device,
        check_memory,
        check_compiler,
        check_watches,
        check_clock,
        check_state,
        check_files,
        check_sources,
        check_port,
    )


def _settings(arguments: Namespace) -> Settings | None:
    if arguments.base is not None:
        return Line.of(arguments).settings(os.environ, os.geteuid())
    return load_settings(arguments.config, os.environ) if arguments.config is not None else None


def _versions() -> Finding:
    libraries = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    return fine("hotswapd", f"{version('hotswapd')}, Python {sys.version.split()[0]}, {libraries}")


def _print(findings: Sequence[Finding], as_json: bool) -> None:
    if as_json:
        ok = all(one.outcome is not Outcome.FAILS for one in findings)
        sys.stdout.write(json.dumps({"ok": ok, "findings": [asdict(one) for one in findings]}, indent=2) + "\n")
        return
    show(page(findings))


def page(findings: Sequence[Finding]) -> RenderableType:
    """Lay out the findings, and a line that says what follows from them."""
    table = table_of("check", "", "what was found", "what to do")
    for one in findings:
        outcome = plain(one.outcome.value, _STYLES[one.outcome])
        table.add_row(plain(one.check), outcome, plain(one.sentence), plain(one.remedy))
    wrong = sum(one.outcome is Outcome.FAILS for one in findings)
    verdict = plain(f"{wrong} of these would stop it", f"bold {BAD}") if wrong else plain("nothing would stop it", GOOD)
    return Group(table, plain(""), verdict)
