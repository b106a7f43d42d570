"""Fetch the adapter whose address ``hotswapd check`` was given, as the daemon would."""

import os
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from hotswapd.daemon.config.addresses import own_token
from hotswapd.daemon.config.settings import SourceTable
from hotswapd.loaders import open_source, table_alone
from hotswapd.loaders.codes import WaitingCode
from hotswapd.loaders.errors import LoadError, Refused
from hotswapd.loaders.source import Sighting, Source
from hotswapd.loaders.store.store import Store
from hotswapd.loaders.uri import AdapterURI
from hotswapd.swap.errors import Misfit, Rejected

# A source may want a second look before it calls an adapter settled (seconds).
_LOOK_AGAIN, _SETTLE_LIMIT = 1.0, 10.0
_TABLE: TypeAdapter[SourceTable] = TypeAdapter(SourceTable)


class Unreadable(Exception):
    """There is nothing to check here, or it cannot be read now."""


@contextmanager
def located(text: str, sources: Sequence[SourceTable], max_bytes: int) -> Iterator[Path]:
    """Yield the directory that a path or an address means; a fetched copy is removed when the context ends.

    `sources` are the configured ones, for their regions, endpoints and tokens. Raises Unreadable, or Rejected when
    the source reports that this can never be taken.
    """
    uri = _parse(text)
    if uri.scheme == "file":
        yield _directory(Path(uri.location))
        return
    with tempfile.TemporaryDirectory(prefix="hotswapd-check-") as root:
        yield _fetch(uri, _table(uri, sources), Path(root), max_bytes)


def table_for(uri: AdapterURI, sources: Sequence[SourceTable]) -> SourceTable:
    """Make the table of a source that is only this adapter, with the settings of the configured source it lies in.

    Raises ValidationError for an address that no table could have.
    """
    alone = dict(table_alone(uri, [table.model_dump() for table in sources]))
    if uri.scheme == "hf" and not alone.get("token_file") and not alone.get("token_env"):
        alone |= own_token(os.environ)  # whoever checks is a person, and may read what they may read
    return _TABLE.validate_python(alone)


def _table(uri: AdapterURI, sources: Sequence[SourceTable]) -> SourceTable:
    try:
        return table_for(uri, sources)
    except ValidationError as error:
        raise Unreadable(
            f"{uri} is not an address of an adapter: {error.errors()[0]['msg'].removeprefix('Value error, ')}"
        ) from None


def _parse(text: str) -> AdapterURI:
    try:
        return AdapterURI.typed(text)
    except ValueError as error:
        raise Unreadable(str(error)) from None


def _directory(path: Path) -> Path:
    if not os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises on odd names
        raise Unreadable(f"{path} is not a directory that can be read")
    return path


def _fetch(uri: AdapterURI, table: SourceTable, root: Path, max_bytes: int) -> Path:
    try:
        with closing(open_source(table, max_bytes)) as source:
            return source.fetch(_sighting(source, uri), Store(root), threading.Event()).path
    except Refused as error:
        wanted, remedy = "an adapter that can be fetched", "fix it at its source"
        raise Rejected([Misfit(error.code, str(uri), wanted, error.sentence, remedy)]) from None
    except LoadError as error:
        raise Unreadable(error.sentence) from None


def _sighting(source: Source, uri: AdapterURI) -> Sighting:
    found = _found(source, uri)
    until = time.monotonic() + _SETTLE_LIMIT
    while (
        found
        and found[0].waiting is not None
        and found[0].waiting.code == WaitingCode.SETTLING
        and time.monotonic() < until
    ):
        source.wait(_LOOK_AGAIN)
        found = _found(source, uri)
    if not found:
        raise Unreadable(f"there is no adapter at {uri}: neither its configuration nor its weights are there")
    if found[0].waiting is not None:
        raise Unreadable(f"{uri} is not complete: {found[0].waiting.sentence}")
    return found[0]


def _settles(sighting: Sighting) -> bool:
    return sighting.waiting is not None and sighting.waiting.code == WaitingCode.SETTLING


def _found(source: Source, uri: AdapterURI) -> list[Sighting]:
    return [sighting for sighting in source.scan().sightings if sighting.uri == uri]
