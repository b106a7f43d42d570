"""Reading the configuration again while the model stays: all of it is taken, or nothing and the old one stays.

Sources, [admission], [verify], [log], serve.max_drain and state.keep can change; what is in key and token files is read
anew whenever it is used. Everything else is part of the model or of what is listened on, and needs a restart.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from hotswapd.daemon.config.settings import ConfigError, Problem, Settings, SourceTable
from hotswapd.daemon.gates.from_config import require_readable
from hotswapd.loaders import open_source
from hotswapd.loaders.source import Source

_TABLES = frozenset({"source", "admission", "verify", "log"})
_KEYS = frozenset({"serve.max_drain", "state.keep"})


def read_again(read: Callable[[], Settings], old: Settings) -> Settings:
    """Return the configuration as it is now. Raises ConfigError, with every key that stands against taking it."""
    new = read()
    problems = [*_need_restart(old, new), *_unreadable(new)]
    if problems:
        raise ConfigError.of(problems)
    return new


def changed(old: Settings, new: Settings) -> list[str]:
    """Name the tables that differ, for the log."""
    return [name for name in Settings.model_fields if getattr(old, name) != getattr(new, name)]


def open_fresh(old: Settings, new: Settings) -> list[Source]:
    """Make the sources that are not watched as they are now described; nothing is touched. Raises ConfigError."""
    every = old.admission.max_artifact_bytes != new.admission.max_artifact_bytes
    fresh = [table for table in new.source if every or table not in old.source]
    return [_open(table, new) for table in fresh]


def _open(table: SourceTable, settings: Settings) -> Source:
    try:
        return open_source(table, settings.admission.max_artifact_bytes)
    except (OSError, ValueError, ImportError) as error:
        raise ConfigError(f"source {table.name}", f"cannot be watched: {error}") from None


def _need_restart(old: Settings, new: Settings) -> Iterator[Problem]:
    for table in Settings.model_fields:
        if table in _TABLES:
            continue
        before, after = getattr(old, table).model_dump(), getattr(new, table).model_dump()
        for key in before:
            if before[key] != after[key] and f"{table}.{key}" not in _KEYS:
                yield Problem(f"{table}.{key}", _restart(before[key], after[key]))


def _restart(before: Any, after: Any) -> str:
    return f"cannot change from {str(before)!r} to {str(after)!r} while the model is loaded: restart the daemon for it"


def _unreadable(settings: Settings) -> Iterator[Problem]:
    """Find key files that cannot be read, which would answer every client with an error, and what [verify] misses."""
    try:
        require_readable(settings.verify)
    except ConfigError as error:
        yield from error.problems
    files: Sequence[tuple[str, str]] = [("serve.api_key_file", settings.serve.api_key_file)]
    files = [*files, *((f"source {one.name}.token_file", getattr(one, "token_file", "")) for one in settings.source)]
    for key, file in files:
        try:
            if file:
                Path(file).read_bytes()
        except OSError as error:
            yield Problem(key, f"{file} cannot be read: {error.strerror or error}")
