"""The daemon as its servers see it: what `face.Face` promises, done with the real parts."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from hotswapd.daemon.errors import BadRequest, Conflict, FaceError, NotReady
from hotswapd.daemon.ledger.generation import Generation
from hotswapd.daemon.ledger.ledger import Ledger, LedgerDown
from hotswapd.daemon.ledger.moment import moment
from hotswapd.daemon.ledger.reasons import PAUSED
from hotswapd.daemon.ledger.rows import Row
from hotswapd.daemon.ledger.states import OPEN, REFUSED, State
from hotswapd.daemon.pipeline.queue import Inbox
from hotswapd.daemon.pipeline.source_threads import Watch
from hotswapd.daemon.pipeline.worker import Worker
from hotswapd.daemon.report.picture import Pictures
from hotswapd.daemon.serve.answerer import Answerer
from hotswapd.daemon.serve.face import Readiness
from hotswapd.loaders.uri import AdapterURI

from .acts import RolloutActs
from .face import Peer
from .overview import overview
from .standing import Standing
from .status import status

_LOOK = 15.0
"""Seconds that `submit` waits for the source to look."""


@dataclass(slots=True)
class Operator:
    """Every method is legal on any thread. `worker` and `answers` are there once the model answers."""

    standing: Standing
    ledger: Ledger
    inbox: Inbox
    watches: Sequence[Watch]
    resident: dict[str, Any] = field(default_factory=dict)
    worker: Worker | None = None
    answers: Answerer | None = None
    rollouts: RolloutActs | None = None
    pictures: Pictures = field(init=False)

    def __post_init__(self) -> None:
        """Take over what an earlier process has measured."""
        self.pictures = Pictures(self.ledger)

    def ready(self) -> Readiness:
        """Say whether requests are answered now."""
        return self.standing.readiness()

    def status(self) -> dict[str, Any]:
        """Return what ``GET /status`` answers."""
        return status(self.standing, self.ledger, self.watches, self.resident)

    def history(self, limit: int) -> list[dict[str, Any]]:
        """Return at most `limit` swaps, newest first."""
        with _ledger_needed():
            return [row.history() for row in self.ledger.rows.history(limit)]

    def overview(self) -> dict[str, Any]:
        """Return what the status page shows."""
        return overview(self.status(), self.ledger, self.pictures.shown)

    def actions(self, limit: int) -> list[dict[str, Any]]:
        """Return at most `limit` things that operators asked for, newest first, with who asked and what came of it."""
        with _ledger_needed():
            return [one | {"at": moment(one["at"])} for one in self.ledger.actions.newest(limit)]

    def answerer(self) -> Answerer:
        """Get what answers requests. Raises NotReady while there is none."""
        readiness = self.standing.readiness()
        if not readiness.ready or self.answers is None:
            raise NotReady("not_ready", readiness.reason)
        return self.answers

    def submit(self, uri: str, again: bool, peer: Peer | None) -> dict[str, Any]:
        """Put an adapter on the queue; `again` tries one that was refused. Raises BadRequest or Conflict."""
        with self._noting("submit", f"{uri}{' again' if again else ''}", peer):
            address, watch = self._place(uri)
            row = self.ledger.rows.latest(address)
            if row is not None and row.state in OPEN:
                self.inbox.hurry(row)
                return _brief(row)
            if row is not None and not again:
                _refuse_known(row)
            return _brief(self._look_for(address, watch))

    def rollback(self, number: int | None, follow: bool, peer: Peer | None) -> dict[str, Any]:
        """Make a kept generation live, by default the previous one, and pin it unless `follow`. Raises Conflict."""
        with self._noting("rollback", f"{'' if number is None else number}{' follow' if follow else ''}", peer):
            return _live(self._working().roll_back(number, follow=follow)) | {"pinned": not follow}

    def pin(self, number: int | None, peer: Peer | None) -> dict[str, Any]:
        """Keep the live generation live, or generation `number`. Raises Conflict."""
        with self._noting("pin", "" if number is None else str(number), peer):
            return _live(self._working().pin(number)) | {"pinned": True}

    def ab_start(self, number: int, weight: float, peer: Peer | None) -> dict[str, Any]:
        """Put a kept generation beside the live one. Raises Conflict."""
        with self._noting("ab start", f"{number} weight {weight:g}", peer):
            return _live(self._rollouts().start(number, weight)) | {"beside": number, "weight": weight}

    def ab_promote(self, peer: Peer | None) -> dict[str, Any]:
        """Make what is beside the live generation live. Raises Conflict."""
        with self._noting("ab promote", "", peer):
            return _live(self._rollouts().promote())

    def ab_stop(self, peer: Peer | None) -> dict[str, Any]:
        """Take away what is beside the live generation. Raises Conflict."""
        with self._noting("ab stop", "", peer):
            return _live(self._rollouts().stop())

    def unpin(self, peer: Peer | None) -> dict[str, Any]:
        """Let new adapters go live again."""
        with self._noting("unpin", "", peer):
            self.ledger.flags.set("pinned", value=False)
            self.inbox.notify()
            return {"pinned": False}

    def pause(self, peer: Peer | None) -> dict[str, Any]:
        """Take nothing from the queue until `resume`."""
        with self._noting("pause", "", peer):
            self.ledger.flags.set("paused", value=True)
            self.inbox.notify()
            return {"paused": True}

    def resume(self, peer: Peer | None) -> dict[str, Any]:
        """Take from the queue again."""
        with self._noting("resume", "", peer):
            self.ledger.flags.set("paused", value=False)
            self.ledger.move_all(State.HELD, State.FETCHED, "resumed", "", "reason = ?", PAUSED)
            self.inbox.notify()
            return {"paused": False}

    @contextlib.contextmanager
    def _noting(self, action: str, argument: str, peer: Peer | None) -> Iterator[None]:
        """Write the action, who asked for it and how it ended."""
        who = None if peer is None else (peer.pid, peer.uid, peer.gid)
        with _ledger_needed():
            try:
                yield
            except FaceError as error:
                self.ledger.actions.note(action, argument, error.code, who)
                raise
            self.ledger.actions.note(action, argument, "done", who)

    def _place(self, uri: str) -> tuple[str, Watch]:
        try:
            address = AdapterURI.parse(uri)
        except ValueError as error:
            raise BadRequest("bad_uri", str(error), "uri") from None
        for watch in self.watches:
            if watch.source.contains(address):
                return str(address), watch
        sources = ", ".join(watch.source.name for watch in self.watches) or "none is configured"
        raise BadRequest("outside_sources", f"{address} lies in no configured source; there are: {sources}", "uri")

    def _look_for(self, address: str, watch: Watch) -> Row:
        """Have the source look, and take what it sees at the address as new."""
        sightings = self.inbox.sightings
        sightings.ask(address)
        try:
            watch.source.wake()
            swap_id = self._wait_for(lambda: sightings.asked(address))
        finally:
            sightings.forget(address)
        if not swap_id:
            trouble = watch.health.sentence or "write adapter_config.json and adapter_model.safetensors there first"
            raise Conflict("not_there", f"no adapter was seen at {address} within {_LOOK:.0f} s: {trouble}")
        return self.ledger.rows.get(swap_id)

    def _wait_for(self, find: Callable[[], str | None]) -> str | None:
        deadline = time.monotonic() + _LOOK
        while True:
            since = self.inbox.changes()
            found = find()
            left = deadline - time.monotonic()
            if found or left <= 0:
                return found
            self.inbox.wait(since, left)

    def _rollouts(self) -> RolloutActs:
        self._working()
        assert self.rollouts is not None
        return self.rollouts

    def _working(self) -> Worker:
        if self.worker is None or not self.standing.readiness().ready:
            raise NotReady("not_ready", self.standing.readiness().reason)
        return self.worker


@contextlib.contextmanager
def _ledger_needed() -> Iterator[None]:
    try:
        yield
    except LedgerDown as error:
        raise NotReady("ledger_down", str(error)) from None
    except TimeoutError:
        raise NotReady("busy", "the worker is busy with a candidate; ask again in a moment") from None


def _refuse_known(row: Row) -> None:
    """Raise Conflict when submitting what is live, or was found bad, would change nothing."""
    if row.state == State.LIVE:
        raise Conflict("already_live", f"{row.uri} is live as generation {row.generation}; --again makes it a new one")
    if row.state in REFUSED:
        said = f"{row.state}, {row.reason}: {row.detail}"
        raise Conflict(row.reason or row.state.lower(), f"it was refused ({said}); --again tries it once more")


def _brief(row: Row) -> dict[str, Any]:
    return {"swap_id": row.swap_id, "state": row.state.value, "reason": row.reason or None}


def _live(generation: Generation) -> dict[str, Any]:
    return {"generation": generation.number, "uri": generation.uri or None, "digest": generation.digest}
