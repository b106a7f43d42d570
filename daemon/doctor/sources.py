"""Each source: one harmless call, which needs the same credentials as the daemon's own."""

from collections.abc import Iterator
from contextlib import closing

from hotswapd.daemon.config.settings import LocalTable, S3Table, Settings, SourceTable
from hotswapd.loaders import open_source
from hotswapd.loaders.errors import SourceDown
from hotswapd.loaders.source import Scan

from .finding import Finding, fails, fine, note

_REMEDY = "docs/codes.md explains this code"


def check_sources(settings: Settings | None) -> Iterator[Finding]:
    """Scan each source once; a queue is left alone, since asking it takes its messages."""
    if settings is None:
        return
    if not settings.source:
        yield note(
            "source", "none is configured, so nothing but the base will be served", "name a folder or an address"
        )
    for table in settings.source:
        yield _scanned(table)


def _scanned(table: SourceTable) -> Finding:
    name = f"source {table.name}"
    try:
        quiet = table.model_copy(update={"queue_url": ""}) if isinstance(table, S3Table) else table
        with closing(open_source(quiet)) as source:
            return _judged(name, source.scan())
    except SourceDown as error:
        if isinstance(table, LocalTable) and not table.path.exists() and table.path.parent.is_dir():
            return note(name, f"{table.path} does not exist yet", "hotswapd serve makes it; hotswapd run waits for it")
        return fails(name, f"{error.code}: {error.sentence}", _REMEDY)
    except (ValueError, ImportError, OSError) as error:
        return fails(name, str(error), "correct this source's keys")


def _judged(name: str, scan: Scan) -> Finding:
    count = len(scan.sightings)
    sentence = f"it can be read: {count or 'no'} adapter{'' if count == 1 else 's'}"
    return note(name, f"{sentence}; {scan.remark}") if scan.remark else fine(name, sentence)
