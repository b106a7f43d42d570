"""Whether a daemon would ever take an adapter from an address, going by the names in it."""

from collections.abc import Sequence

from hotswapd.daemon.config.settings import LocalTable, S3Table, SourceTable
from hotswapd.loaders.ignored import ignored_sentence
from hotswapd.loaders.uri import AdapterURI


def ignored_at(text: str, sources: Sequence[SourceTable]) -> str:
    """Return why what lies at a path or an address is ignored there, and what to do; empty if it is not.

    Below a configured source, every name below its root counts; elsewhere only the last one, since nobody knows what
    will be watched. Raises ValueError for what is not an address.
    """
    uri = AdapterURI.typed(text)
    if uri.scheme == "hf":
        return ""  # a repository's own names are not looked at
    inside = [names for names in (_below(uri, table) for table in sources) if names is not None]
    said = [ignored_sentence(names) for names in inside or [[uri.location.rpartition("/")[2]]]]
    return said[0] if all(said) else ""


def _below(uri: AdapterURI, table: SourceTable) -> list[str] | None:
    if isinstance(table, LocalTable):
        root = AdapterURI.of_path(table.path)
    elif isinstance(table, S3Table):
        root = AdapterURI.parse(table.uri)
    else:
        return None
    start = f"{root.location.rstrip('/')}/"
    if uri.scheme != root.scheme or not f"{uri.location}/".startswith(start):
        return None
    return [name for name in uri.location[len(start) :].split("/") if name]
