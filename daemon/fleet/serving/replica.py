"""The replica as Ray Serve runs it: one model, which takes no request before it holds what the pointer names."""

import contextlib
import hashlib
import os
import tempfile
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import NoReturn

import ray
import structlog

from hotswapd.daemon.config.settings import Settings
from hotswapd.daemon.fleet.endings import Unsaid
from hotswapd.daemon.fleet.held import Held
from hotswapd.daemon.fleet.orders import Orders, Report
from hotswapd.daemon.fleet.replica import Replica
from hotswapd.daemon.fleet.shared.copies import SharedCopies
from hotswapd.daemon.fleet.shared.node import NodeCopies
from hotswapd.daemon.fleet.shared.place import Place
from hotswapd.daemon.fleet.shared.trail import Follower
from hotswapd.daemon.fleet.wire import OtherVersion, Packed, packed, unpacked
from hotswapd.daemon.host.exits import Exit
from hotswapd.swap.errors import ResidentLost

from .calls import Line, repeat, said
from .logs import log_to_ray
from .opened import Opened, open_model
from .piece import Piece, Wanted
from .place import Together
from .replies import Replies

log = structlog.get_logger(__name__)
_REPORTS = 0.1
_WHOLE = 1.0
_LAST = 2.0


class ReplicaServer:
    """One replica. The constructor returns when it holds what the pointer names, which is when Serve sends requests."""

    def __init__(self, settings: Settings, together: Together) -> None:
        """Load the model and catch up. Raises RuntimeError if what is live is found unfit here: a bad device."""
        self._leave: Callable[[], None] = lambda: None
        log_to_ray(settings)
        self._stop = threading.Event()
        self._member = str(ray.get_runtime_context().get_actor_name())
        unsaid = Unsaid()
        self._opened = open_model(settings, unsaid.add)
        self._replica = self._make(self._opened, together, unsaid)
        self._replies = Replies(self._member, self._opened.model, self._replica.may_answer, _end)
        self._patience = together.limits.patience
        self._behind = 0
        line = Line(together.watcher)
        threading.Thread(target=self._work, name="replica", daemon=True).start()
        report = (self._stop, _REPORTS, lambda: self._replica.exchange(lambda report: self._tell(line, report)))
        threading.Thread(target=repeat, args=report, name="reports", daemon=True).start()
        self._leave = lambda: self._say_last(Line(together.watcher, _LAST))
        while not self._replica.await_whole(_WHOLE):
            self._require_fit()

    def _tell(self, line: Line, report: Report) -> Orders | None:
        return said(Orders, line.call("hear", packed(report, self._member)))

    def _say_last(self, line: Line) -> None:
        """Tell the watcher that no change is to wait for this replica. It learns of it later if it is away."""
        self._stop.set()
        self._tell(line, self._replica.leave())
        log.info("replica_leaves", member=self._member)

    def __del__(self) -> None:
        """Leave the fleet: Serve calls this once it sends no more requests here, and those under way have ended."""
        leave, self._leave = self._leave, lambda: None
        leave()

    def _make(self, opened: Opened, together: Together, unsaid: Unsaid) -> Replica:
        trail = together.trail()
        copies = NodeCopies(SharedCopies(trail.place), machine_room(trail.place), together.most)
        held, follower = Held(self._member), Follower(trail, together.least)
        more = opened.tick, unsaid, copies.release, opened.judge_by
        return Replica(held, opened.engine, copies.fetch, follower, *more)

    def _work(self) -> None:
        try:
            self._replica.run(self._stop)
        except BaseException:
            log.exception("replica_lost", member=self._member)
            os._exit(Exit.RESIDENT_LOST)  # Serve starts another one

    def _require_fit(self) -> None:
        if sick := self._replica.sick():
            raise RuntimeError(f"what is live is unfit on this replica: {sick}; look at its device")

    def check_health(self) -> None:
        """Raise if it cannot answer with what is live, or has not been able to for `fleet.patience`."""
        self._require_fit()
        self._behind = 0 if self._replica.is_whole() else self._behind + 1
        if self._behind > self._patience:
            raise RuntimeError(f"it has stayed behind the pointer for {self._behind} checks")

    async def describe(self) -> Packed:
        """Say what an ingress needs to know of the model."""
        return packed(self._replies.describe(), self._member)

    async def answer(self, wanted: object, avoid: tuple[str, ...] = ()) -> AsyncIterator[Packed]:
        """Answer a request, see `Replies`; `avoid` is for the router. An ingress that it cannot read is refused."""
        del avoid
        try:
            asked = unpacked(Wanted, wanted)
        except OtherVersion as error:
            yield packed(Piece(self._member, error=str(error), code=error.code, refused=True), self._member)
            return
        async with contextlib.aclosing(self._replies.answer(asked)) as pieces:
            async for piece in pieces:
                yield packed(piece, self._member)


def machine_room(place: Place) -> Path:
    """Return the directory of this machine that all replicas of this fleet share."""
    name = hashlib.sha256(str(place).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"hotswapd-{os.geteuid()}-{name}"


def _end(error: ResidentLost) -> NoReturn:
    log.error("replica_lost", detail=str(error))
    os._exit(Exit.RESIDENT_LOST)  # Serve starts another one
