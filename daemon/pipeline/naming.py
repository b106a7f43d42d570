"""Which channel an adapter is for: what its source's table says, or the first directory below the source's path."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from hotswapd.daemon.config.channels import FIRST, taken_sentence
from hotswapd.daemon.config.current import Current
from hotswapd.daemon.config.settings import HubTable, LocalTable, SourceTable
from hotswapd.daemon.ledger.channel import DEFAULT, RULE, is_channel_name
from hotswapd.daemon.ledger.reasons import Reason
from hotswapd.loaders.uri import AdapterURI


@dataclass(frozen=True, slots=True)
class Named:
    """The channel of one adapter; `reason` and `detail` say why it is IGNORED, and are empty if it is not."""

    channel: str = DEFAULT
    reason: str = ""
    detail: str = ""


Naming = Callable[[str], Callable[[AdapterURI], Named]]
"""Returns, for a source, what gives the channel of what lies at one of its addresses."""


def default_only(source: str) -> Callable[[AdapterURI], Named]:
    """Name the default channel, whatever the address."""
    return lambda uri: Named()


class ByTable:
    """Names channels by the tables of the configuration that holds now. Legal on any thread."""

    def __init__(self, current: Current) -> None:
        self._current = current

    def __call__(self, source: str) -> Callable[[AdapterURI], Named]:
        """Return what names the channels of a source's addresses."""
        settings = self._current.now
        table = next((one for one in settings.source if one.name == source), None)
        if table is None or table.channel != FIRST:
            named = Named(table.channel if table else DEFAULT)
            return lambda uri: named
        place, taken = _place(table), settings.base_names - {DEFAULT}
        return lambda uri: _by_path(uri.location, place, taken)


def _place(table: SourceTable) -> str:
    """Return how the addresses of a source begin, with a slash at the end."""
    if isinstance(table, HubTable):
        return f"{table.repo}/"
    uri = AdapterURI.of_path(table.path) if isinstance(table, LocalTable) else AdapterURI.parse(table.uri)
    return f"{uri.location.rstrip('/')}/"


def _by_path(location: str, place: str, taken: Collection[str]) -> Named:
    """Name the channel after the first part below a source, if more follow: the last is the adapter's own name."""
    parts = location.removeprefix(place).split("/")
    if not location.startswith(place) or len(parts) < 2:
        detail = "it lies directly below its source, where directories name channels: move it into one"
        return Named(DEFAULT, Reason.NO_CHANNEL, detail)
    if not is_channel_name(parts[0]):
        return Named(DEFAULT, Reason.CHANNEL_NAME, f"{parts[0]!r} cannot be a channel: {RULE}; rename the directory")
    return Named(DEFAULT, Reason.CHANNEL_NAME, taken_sentence(parts[0])) if parts[0] in taken else Named(parts[0])
