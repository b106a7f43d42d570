"""``hotswapd publish``: check an adapter as the daemon will, then send it where a daemon watches."""

import os
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from hotswapd.daemon.check.fetch import table_for
from hotswapd.daemon.check.findings import examine_adapter
from hotswapd.daemon.check.ignoring import ignored_at
from hotswapd.daemon.config.settings import ConfigError, S3Table, Settings, load_settings
from hotswapd.daemon.config.tables import Admission
from hotswapd.daemon.host.exits import Exit
from hotswapd.daemon.terminal.complaint import complain
from hotswapd.daemon.terminal.misfits import misfit_table
from hotswapd.daemon.terminal.words import show
from hotswapd.loaders.errors import Refused, Unavailable
from hotswapd.loaders.publish import Published, destination, publish_together
from hotswapd.loaders.publish import publish as send
from hotswapd.loaders.uri import AdapterURI
from hotswapd.swap.errors import BaseUnservable, BaseUnusable, NoSlots, Rejected
from hotswapd.swap.resident.fingerprint import base_fingerprint

if TYPE_CHECKING:
    from hotswapd.loaders.s3.session import S3Access


def publish(arguments: Namespace) -> int:
    """Publish one adapter, or a set: 0 if it was sent, 3 if it would be refused, 4 if a place cannot be reached."""
    try:
        dest, members = _dest(arguments.dest), _members(arguments)
        settings = _settings(arguments)
        done = _send(arguments, members, dest, settings)
    except ConfigError as error:
        for problem in error.problems:
            complain(str(problem), Exit.CONFIGURATION)
        return Exit.CONFIGURATION
    except Rejected as error:
        complain(f"{' '.join(arguments.directory)} would be refused, so nothing was sent", Exit.REJECTED)
        show(misfit_table(error.misfits))
        return Exit.REJECTED
    except (NoSlots, BaseUnusable, Refused, Unavailable) as error:
        return complain(str(error), _exit_code(error))
    except ValueError as error:
        return complain(str(error), Exit.USAGE)
    for one in done:
        _say(one, ignored_at(str(one.uri), settings.source if settings else ()))
    return Exit.FINE


def _members(arguments: Namespace) -> dict[str, Path]:
    """Return the directories by channel; by an empty name without --together. Raises ValueError with a sentence."""
    if not arguments.together:
        if len(arguments.directory) > 1:
            raise ValueError("one directory and one destination: several go with --together, as CHANNEL=DIR each")
        return {"": Path(arguments.directory[0])}
    members: dict[str, Path] = {}
    for word in arguments.directory:
        name, equals, directory = word.partition("=")
        if not equals or name in members:
            raise ValueError(f"{word!r}: with --together write CHANNEL=DIR, each channel once")
        members[name] = Path(directory)
    return members


def _send(
    arguments: Namespace, members: Mapping[str, Path], dest: str, settings: Settings | None
) -> Sequence[Published]:
    fingerprint = base_fingerprint(settings.model.base, settings.model.revision) if settings else ""
    check, access = _check(settings), _access(arguments, dest, settings)
    with _bar() as progress:
        how: dict[str, Any] = {"check": check, "progress": progress, "access": access, "base_fingerprint": fingerprint}
        return publish_together(members, dest, **how) if arguments.together else [send(members[""], dest, **how)]


def _exit_code(error: Exception) -> Exit:
    if isinstance(error, (NoSlots, BaseUnservable)):
        return Exit.CONFIGURATION
    return Exit.REJECTED if isinstance(error, Refused) else Exit.UNAVAILABLE


def _settings(arguments: Namespace) -> Settings | None:
    """Read the daemon's configuration; without it and without a base, only the structure can be checked."""
    if arguments.config is None and arguments.base is None:
        return None
    base = {"HOTSWAPD_MODEL__BASE": arguments.base} if arguments.base else {}
    return load_settings(arguments.config, {**os.environ, **base})


def _dest(text: str) -> str:
    """Return the destination. Raises ValueError with a sentence."""
    uri = AdapterURI.typed(text)
    dest = uri.location if uri.scheme == "file" else text
    destination(dest)
    return dest


def _check(settings: Settings | None) -> Callable[[Path], None]:
    admission = settings.admission if settings else Admission()

    def check(directory: Path) -> None:
        findings = examine_adapter(directory, settings.model if settings else None, admission)
        if findings.note:
            sys.stderr.write(f"hotswapd: {findings.note}\n")
        if not findings.ok:
            raise Rejected(list(findings.misfits))

    return check


def _access(arguments: Namespace, dest: str, settings: Settings | None) -> "S3Access | None":
    """Take the settings of the configured source that contains `dest`, overridden by the command line."""
    if not dest.startswith("s3://"):
        return None
    from hotswapd.loaders.s3.session import S3Access  # late: it imports the S3 client library

    table = table_for(AdapterURI.parse(dest), settings.source) if settings else None
    keys = ("region", "endpoint_url", "expected_bucket_owner")
    configured = {key: getattr(table, key) for key in keys} if isinstance(table, S3Table) else {}
    wished = {key: value for key in keys if (value := getattr(arguments, key))}
    return S3Access(**{**configured, **wished})


@contextmanager
def _bar() -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar on standard error if that is a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("publishing"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("publishing", total=None)

        def progress(size: int, total: int) -> None:
            bar.update(task, advance=size, total=total)

        yield progress


def _say(done: Published, ignored: str) -> None:
    what = ", ".join(done.sent) if done.sent else "it was already there, nothing"
    sys.stdout.write(f"published {done.uri}: {what} sent, the adapter has {done.size} bytes\n")
    if ignored:
        sys.stderr.write(f"hotswapd: where a daemon watches, {ignored}\n")
