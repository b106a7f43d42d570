"""The daemon as its servers see it: its answers and its acts, with a record of who asked for what."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from hotswapd.daemon.answers import Action, HistoryRow, Overview, Status
from hotswapd.daemon.channels.channel import Channel
from hotswapd.daemon.errors import ErrorCode, FaceError, NotReady, no_such_channel
from hotswapd.daemon.ledger.channel import DEFAULT
from hotswapd.daemon.ledger.generation import Generation
from hotswapd.daemon.ledger.ledger import Ledger
from hotswapd.daemon.ledger.reasons import Reason
from hotswapd.daemon.ledger.rows import Row
from hotswapd.daemon.ledger.states import State
from hotswapd.daemon.pipeline.queue import Inbox
from hotswapd.daemon.serve.answerer import Answerer
from hotswapd.daemon.serve.face import Readiness

from .face import Peer
from .ledger_needed import ledger_needed
from .part import Working
from .standing import Standing
from .submitting import Submitting
from .views import Views


@dataclass(frozen=True, slots=True)
class Operator:
    """What the servers' faces promise. Every method is legal on any thread; the faces say what each raises."""

    standing: Standing
    ledger: Ledger
    inbox: Inbox
    views: Views
    submitting: Submitting

    def ready(self) -> Readiness:
        """Tell whether requests are answered now."""
        return self.standing.readiness()

    def answerer(self) -> Answerer:
        """Return what answers requests. Raises NotReady while the model does not answer, or where it never does."""
        answers = self._working().answers
        if answers is None:
            raise NotReady(ErrorCode.NOT_READY, "requests are answered elsewhere: ask an ingress of the fleet")
        return answers

    def status(self, channel: str | None = None) -> Status:
        """Return what ``GET /status`` answers, about one channel or about all."""
        self._require(channel or DEFAULT)
        return self.views.status(channel)

    def overview(self) -> Overview:
        """Return what the status page shows."""
        return self.views.overview()

    def history(self, limit: int, channel: str | None = None) -> list[HistoryRow]:
        """Return at most `limit` swaps, newest first, of one channel or of all."""
        return self.views.history(limit, channel)

    def actions(self, limit: int) -> list[Action]:
        """Return at most `limit` things that operators asked for, newest first."""
        return self.views.actions(limit)

    def exposition(self) -> bytes:
        """Return what ``GET /metrics`` answers."""
        return self.views.exposition()

    def submit(self, uri: str, again: bool, peer: Peer | None, channel: str = DEFAULT) -> dict[str, Any]:
        """Put an adapter on the queue of a channel; `again` tries one that was refused."""
        with self._noting("submit", f"{uri}{' again' if again else ''}", peer, channel):
            return _brief(self.submitting.submit(uri, channel, again=again))

    def rollback(self, number: int | None, follow: bool, peer: Peer | None, channel: str = DEFAULT) -> dict[str, Any]:
        """Make a kept generation live, by default the previous one, and pin it unless `follow`."""
        argument = f"{'' if number is None else number}{' follow' if follow else ''}"
        with self._noting("rollback", argument, peer, channel):
            live = self._working().acts.roll_back(self._channel(channel), number, follow=follow)
            return _live(live) | {"pinned": not follow}

    def pin(self, number: int | None, peer: Peer | None, channel: str = DEFAULT) -> dict[str, Any]:
        """Pin the live generation, or generation `number`."""
        with self._noting("pin", "" if number is None else str(number), peer, channel):
            return _live(self._working().acts.pin(self._channel(channel), number)) | {"pinned": True}

    def ab_start(self, number: int, weight: float, peer: Peer | None, channel: str = DEFAULT) -> dict[str, Any]:
        """Put a kept generation beside the live one."""
        with self._noting("ab start", f"{number} weight {weight:g}", peer, channel):
            live = self._working().acts.start(self._channel(channel), number, weight)
            return _live(live) | {"beside": number, "weight": weight}

    def ab_promote(self, peer: Peer | None, channel: str = DEFAULT) -> dict[str, Any]:
        """Make the generation beside the live one live."""
        with self._noting("ab promote", "", peer, channel):
            return _live(self._working().acts.promote(self._channel(channel)))

    def ab_stop(self, peer: Peer | None, channel: str = DEFAULT) -> dict[str, Any]:
        """Stop serving the generation beside the live one."""
        with self._noting("ab stop", "", peer, channel):
            return _live(self._working().acts.stop(self._channel(channel)))

    def unpin(self, peer: Peer | None, channel: str = DEFAULT) -> dict[str, Any]:
        """Let new adapters go live again."""
        with self._noting("unpin", "", peer, channel):
            self._hold(channel, "pinned", on=False)
            return {"pinned": False}

    def pause(self, peer: Peer | None, channel: str = DEFAULT) -> dict[str, Any]:
        """Take nothing from the queue until `resume`."""
        with self._noting("pause", "", peer, channel):
            self._hold(channel, "paused", on=True)
            return {"paused": True}

    def resume(self, peer: Peer | None, channel: str = DEFAULT) -> dict[str, Any]:
        """Take from the queue again."""
        with self._noting("resume", "", peer, channel):
            self._hold(channel, "paused", on=False)
            held = "channel = ? AND reason = ?", channel, Reason.PAUSED
            self.ledger.move_all(State.HELD, State.FETCHED, Reason.RESUMED, "", *held)
            self.inbox.notify()
            return {"paused": False}

    def remove_channel(self, channel: str, purge: bool, peer: Peer | None) -> dict[str, Any]:
        """Remove a channel, with its rows if `purge`."""
        with self._noting("channel remove", "purge" if purge else "", peer, channel):
            self._working().acts.remove(self._channel(channel), purge=purge)
            return {"removed": channel, "purged": purge}

    def _hold(self, channel: str, flag: str, *, on: bool) -> None:
        self._require(channel)
        self.ledger.flags.set(flag, on, channel=channel)
        self.inbox.notify()

    def _require(self, name: str) -> None:
        """Raise NoSuchChannel unless there is such a channel."""
        part = self.standing.part
        if name not in part.names() and (isinstance(part, Working) or name not in self.ledger.channels.all()):
            raise no_such_channel(name)

    def _channel(self, name: str) -> Channel:
        found = self._working().channels.find(name)
        if found is None:
            raise no_such_channel(name)
        return found

    @contextmanager
    def _noting(self, action: str, argument: str, peer: Peer | None, channel: str) -> Iterator[None]:
        """Record the action, who asked for it and how it ended."""
        argument = argument if channel == DEFAULT else f"{argument} channel {channel}".strip()
        who = None if peer is None else (peer.pid, peer.uid, peer.gid)
        with ledger_needed():
            try:
                yield
            except FaceError as error:
                self.ledger.actions.note(action, argument, error.code, who)
                raise
            self.ledger.actions.note(action, argument, "done", who)

    def _working(self) -> Working:
        readiness, part = self.standing.readiness(), self.standing.part
        if not readiness.ready or not isinstance(part, Working):
            raise NotReady(ErrorCode.NOT_READY, readiness.reason)
        return part


def _brief(row: Row) -> dict[str, Any]:
    return {"swap_id": row.swap_id, "state": row.state.value, "reason": row.reason or None}


def _live(generation: Generation) -> dict[str, Any]:
    return {"generation": generation.number, "uri": generation.uri or None, "digest": generation.digest}
