"""`hotswapd submit`: put an adapter at an address that a source covers on the queue, at once or again."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from hotswapd.daemon.errors import AdapterRefused, BadRequest, Conflict, ErrorCode
from hotswapd.daemon.ledger.ledger import Ledger
from hotswapd.daemon.ledger.rows import Row
from hotswapd.daemon.ledger.states import OPEN, REFUSED, State
from hotswapd.daemon.pipeline.naming import Naming, default_only
from hotswapd.daemon.pipeline.queue import Inbox
from hotswapd.daemon.pipeline.source_threads import Watch
from hotswapd.daemon.pipeline.sources import Sources
from hotswapd.loaders.uri import AdapterURI

_SCAN_WAIT = 15.0
"""Seconds that `submit` waits for the source to scan."""


@dataclass(frozen=True, slots=True)
class Submitting:
    """Submits adapters. `submit` is legal on any thread, and may raise LedgerDown."""

    ledger: Ledger
    inbox: Inbox
    sources: Sources
    naming: Naming = default_only

    def submit(self, uri: str, channel: str, *, again: bool) -> Row:
        """Put an adapter on a channel's queue; `again` tries one that was refused. Raises BadRequest or Conflict."""
        address, watch = self._place(uri, channel)
        row = self.ledger.rows.latest(address, channel)
        if row is not None and row.state in OPEN:
            self.inbox.hurry(row)
            return row
        if row is not None and not again:
            _refuse_known(row)
        row = self._have_scanned(address, watch)
        if row.state == State.IGNORED:
            raise AdapterRefused(row.reason, row.detail)
        return row

    def _place(self, uri: str, channel: str) -> tuple[str, Watch]:
        try:
            address = AdapterURI.parse(uri)
        except ValueError as error:
            raise BadRequest(ErrorCode.BAD_URI, str(error), "uri") from None
        others = []
        for watch in self.sources:
            if watch.source.contains(address):
                named = self.naming(watch.source.name)(address)
                if named.channel == channel:
                    return str(address), watch
                others.append(named.channel)
        if others:
            sentence = f"{address} is for the channel {others[0]}, not for {channel}: name it with --channel"
            raise BadRequest(ErrorCode.OTHER_CHANNEL, sentence, "channel")
        names = ", ".join(watch.source.name for watch in self.sources) or "none is configured"
        sentence = f"{address} lies in no configured source; the sources are: {names}"
        raise BadRequest(ErrorCode.OUTSIDE_SOURCES, sentence, "uri")

    def _have_scanned(self, address: str, watch: Watch) -> Row:
        """Have the source scan, and treat what it finds at the address as new."""
        sightings = self.inbox.sightings
        sightings.ask(address)
        try:
            watch.source.wake()
            swap_id = self._wait_for(lambda: sightings.asked(address))
        finally:
            sightings.forget(address)
        if not swap_id:
            trouble = watch.health.sentence or "write adapter_config.json and adapter_model.safetensors there first"
            raise Conflict(
                ErrorCode.NOT_THERE, f"no adapter was seen at {address} within {_SCAN_WAIT:.0f} s: {trouble}"
            )
        return self.ledger.rows.get(swap_id)

    def _wait_for(self, find: Callable[[], str | None]) -> str | None:
        deadline = time.monotonic() + _SCAN_WAIT
        while True:
            since = self.inbox.changes()
            found = find()
            left = deadline - time.monotonic()
            if found or left <= 0:
                return found
            self.inbox.wait(since, left)


def _refuse_known(row: Row) -> None:
    """Raise Conflict if the row is live or was refused: submitting it would change nothing."""
    if row.state == State.LIVE:
        sentence = f"{row.uri} is live as generation {row.generation}; --again makes it a new one"
        raise Conflict(ErrorCode.ALREADY_LIVE, sentence)
    if row.state in REFUSED:
        said = f"{row.state}, {row.reason}: {row.detail}"
        raise AdapterRefused(row.reason or row.state.lower(), f"it was refused ({said}); --again tries it once more")
