"""Channels as labels of metrics: as many as a server that stores them can bear, and one label for all the others."""

import threading

from hotswapd.daemon.ledger.channel import DEFAULT

OTHERS = "(others)"
"""The label of channels beyond the first hundred; no channel can have this name."""
_MOST = 100


class ChannelLabels:
    """Gives channels their labels. Legal on any thread."""

    def __init__(self) -> None:
        """Know the default channel."""
        self._lock = threading.Lock()
        self._known = {DEFAULT}

    def of(self, channel: str) -> str:
        """Return a channel's name if it was among the first hundred, else the label of all others."""
        with self._lock:
            if channel not in self._known and len(self._known) < _MOST:
                self._known.add(channel)
            return channel if channel in self._known else OTHERS
