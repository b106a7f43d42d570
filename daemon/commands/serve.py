"""``hotswapd serve BASE [SOURCE ...]``: the daemon without a configuration file."""

import os
import sys
from argparse import Namespace
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from hotswapd.daemon.config.errors import ConfigError
from hotswapd.daemon.config.line import Line
from hotswapd.daemon.config.paths import DEFAULT_NAME
from hotswapd.daemon.config.settings import LocalTable, Settings
from hotswapd.daemon.config.written import written
from hotswapd.daemon.control.finding import accepts
from hotswapd.daemon.errors import StartCode
from hotswapd.daemon.host.exits import Exit
from hotswapd.daemon.host.sockets import CannotListen
from hotswapd.daemon.host.users import user_name
from hotswapd.daemon.terminal.complaint import complain

from .invitation import invitation
from .run import run_daemon

_STDOUT = Path("-")


def serve(arguments: Namespace) -> int:
    """Run the daemon that the command line describes until it is told to stop, or write its configuration."""
    line, uid = Line.of(arguments), os.geteuid()
    try:
        settings = line.settings(os.environ, uid)
        if arguments.write_config:
            return _write(arguments.write_config, line.tables(os.environ, uid))
        if accepts(settings.control.socket):
            return complain(_runs_already(line.name, settings), Exit.TRY_AGAIN)
        _require_own(settings.state.dir, uid)
        with ExitStack() as folders:
            _make_folders(settings, folders)
            return run_daemon(
                lambda: line.settings(os.environ, uid),
                lambda known, address: _invite(known, address, line.name),
                folders.close,
                _explain,
            )
    except ConfigError as error:
        for problem in error.problems:
            complain(str(problem), Exit.CONFIGURATION)
        return Exit.CONFIGURATION


def _write(file: Path, tables: Mapping[str, Any]) -> int:
    text = written(tables)
    try:
        text.encode()
    except UnicodeEncodeError:
        return complain("a name in this line is not UTF-8, and a TOML file holds nothing else", Exit.CONFIGURATION)
    if file == _STDOUT:
        sys.stdout.write(text)
        return Exit.FINE
    try:
        with file.open("x", encoding="utf-8") as out:
            out.write(text)
    except FileExistsError:
        return complain(f"{file} exists and is left as it is: name another file", Exit.USAGE)
    except OSError as error:
        return complain(f"{file} cannot be written: {error.strerror or error}", Exit.UNAVAILABLE)
    sys.stdout.write(f"wrote {file}; run it with: hotswapd run --config {file}\n")
    return Exit.FINE


def _require_own(state: Path, uid: int) -> None:
    """Refuse the state of another user's daemon, as root would otherwise leave files there that it cannot write."""
    try:
        owner = state.stat().st_uid
    except OSError:
        return  # it does not exist, or whoever uses it says what is wrong
    if owner != uid:
        who = f"{state} belongs to {user_name(owner)}: run this as that user"
        raise ConfigError("state.dir", f"{who}, or keep a state of its own with --name NAME")


def _make_folders(settings: Settings, made: ExitStack) -> None:
    """Make the watched folders that do not exist yet; closing `made` removes those that are still empty.

    Only the last part of a path is made: a longer one that does not exist is rather mistyped. Raises ConfigError.
    """
    for number, source in enumerate(settings.source):
        if isinstance(source, LocalTable) and _make(source.path, f"source[{number}].path"):
            made.callback(_remove, source.path)


def _make(path: Path, key: str) -> bool:
    """Make one folder; return whether it is new."""
    try:
        path.mkdir(mode=0o755)
    except FileExistsError:
        return False
    except FileNotFoundError:
        raise ConfigError(key, f"{path} does not exist, nor does {path.parent}: make it, or correct the path") from None
    except OSError as error:
        raise ConfigError(key, f"{path} does not exist and cannot be made: {error.strerror or error}") from None
    return True


def _remove(path: Path) -> None:
    with suppress(OSError):  # somebody has put something into it
        path.rmdir()


def _runs_already(name: str, settings: Settings) -> str:
    return f"the daemon {name} runs already, on {settings.control.socket}: stop it, or {_another_name()}"


def _explain(error: Exception) -> str:
    if isinstance(error, CannotListen) and error.code == StartCode.ADDRESS_IN_USE:
        return "with serve, that is --port N (0: a free one)"
    return ""


def _another_name() -> str:
    return "give this one a name and a port of its own with --name NAME --port N"


def _invite(settings: Settings, address: tuple[str, int], name: str) -> None:
    """Print what can be pasted now. On the worker's thread, which no closed terminal may end."""
    with suppress(OSError, ValueError):
        sys.stdout.write(invitation(settings, address, "" if name == DEFAULT_NAME else name))
        sys.stdout.flush()
