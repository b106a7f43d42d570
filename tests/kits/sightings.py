"""What an adapter's address says of its channel, without a configuration."""

from collections.abc import Callable

from hotswapd.daemon.pipeline.naming import Named
from hotswapd.loaders.uri import AdapterURI


def first_directory(source: str) -> Callable[[AdapterURI], Named]:
    """Name the channel of ``file:///SOURCE/CHANNEL/NAME``; what lies directly below the source is the default's."""

    def named(uri: AdapterURI) -> Named:
        _, *parts = uri.location.strip("/").split("/")
        return Named(parts[0]) if len(parts) > 1 else Named()

    return named
