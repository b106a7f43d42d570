"""Rollback, by hand or automatic: a kept generation becomes live again in its channel."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog

from hotswapd.daemon.engines.protocol import Admitted, Engine, NoRoom, Patient, Staged, decide
from hotswapd.daemon.errors import AdapterRefused, Conflict, ErrorCode
from hotswapd.daemon.host.failpoints import failpoint
from hotswapd.daemon.ledger.channel import DEFAULT
from hotswapd.daemon.ledger.generation import Generation
from hotswapd.daemon.ledger.ledger import Ledger, LedgerDown, Left
from hotswapd.daemon.ledger.reasons import Reason
from hotswapd.daemon.ledger.rows import OPERATOR, Find
from hotswapd.daemon.ledger.states import State
from hotswapd.loaders.store.artifact import Artifact
from hotswapd.loaders.store.store import Store
from hotswapd.swap.errors import Rejected, RolledBack

from .going_live import Change, Live

log = structlog.get_logger(__name__)
_TRIES = 32
_RAISE_BERTHS = "try again when one has ended, or raise serve.berths"


@dataclass(frozen=True, slots=True)
class Rollback:
    """Goes back to kept generations of a channel; `base` is what it had first. All of it is for the worker's thread."""

    live: Live
    engine: Engine
    ledger: Ledger
    store: Store
    base: Generation

    def target(self, number: int | None) -> Generation:
        """Find the generation to go back to: by default the last good one before the live one. Raises Conflict."""
        live = self.live.now
        if number is None:
            older = (one for one in self._newest(1000, good=True) if one.number < live.number)
            older = (one for one in older if not self.ledger.bases.elsewhere(one.number))
            found: Generation | None = next(older, self.base)
        else:
            found = self.base if number == 0 else self.ledger.generations.get(number)
        if found is None or found.channel != self.live.channel:
            kept = [f", {one.number}" for one in self._newest(8) if one.number]
            where = f"of {self.live.channel} " if self.live.channel != DEFAULT else ""
            sentence = f"there is no generation {number} {where}here; there are 0 (the base){''.join(kept)}"
            raise Conflict(ErrorCode.NO_SUCH_GENERATION, sentence)
        if found.number == live.number:
            raise Conflict(ErrorCode.ALREADY_LIVE, f"generation {live.number} is live already")
        return found

    def run(
        self, target: Generation, left: Left, *, refuses: int | None = None, pins: bool | None = None
    ) -> Generation:
        """Make it live. `left`, `refuses` and `pins` are written in the same transaction, see `Change`.

        Raises Conflict, ResidentLost or LedgerDown; nothing has changed then.
        """
        with self.staged(target) as staged:
            failpoint("rollback")
            return self.live.go_live(_change(target, left, refuses, pins), staged)

    def by_itself(self, code: str, sentence: str) -> Generation:
        """Go back to the newest good generation that can go live, at last to the base; pin nothing.

        It does not wait for a ledger or a pointer that cannot be written: see `Live.go_back`. Raises Conflict if it is
        not possible now, LedgerDown if nothing is known to go back to, or ResidentLost.
        """
        bad = self.live.now
        left = Left(State.ROLLED_BACK, code, sentence)
        for target in (*self._good_before(bad), self.base):
            try:
                with self.staged(target) as staged:
                    failpoint("rollback")
                    return self.live.go_back(_change(target, left, bad.number), staged)
            except Conflict as refusal:
                if refusal.code == ErrorCode.NO_BERTH:
                    raise
                log.warning("passed_over", generation=target.number, code=refusal.code, detail=refusal.sentence)
        raise Conflict(ErrorCode.ALREADY_LIVE, "the base itself is live: there is nothing to go back to")

    def _good_before(self, bad: Generation) -> list[Generation]:
        """List the older good generations, newest first, from memory while the ledger cannot be read."""
        try:
            return [one for one in self._newest(_TRIES, good=True) if one.number < bad.number]
        except LedgerDown:
            if not self.live.former:
                raise
            return self.live.former

    def _newest(self, limit: int, *, good: bool = False) -> list[Generation]:
        return self.ledger.generations.newest(limit, self.live.channel, good=good)

    @contextmanager
    def staged(self, target: Generation) -> Iterator[Staged]:
        """Hold the generation on the engine, verified: it is still there, or it is staged again.

        Its copy in the store is held too, and must exist either way: a restart has nothing else. Raises Conflict.
        """
        with self.store.hold(target.digest) as artifact:
            if artifact is None and target.number:
                do = "raise state.keep to keep more, or put the adapter into its source again"
                raise Conflict(
                    ErrorCode.GENERATION_NOT_KEPT, f"generation {target.number} is not in the store any more; {do}"
                )
            found = self.engine.find(target.number)
            if found is None:  # one that is on the engine was verified there
                self._require_same_base(target)
            staged = found or self._stage(target, artifact)
            try:
                if found is None:  # one that is still on the engine was verified before
                    decide(self.engine.check(staged))
                yield staged
            except NoRoom as error:
                raise Conflict(ErrorCode.NO_BERTH, f"{error}; {_RAISE_BERTHS}") from None
            except RolledBack as error:
                raise AdapterRefused(
                    error.code, f"generation {target.number} fails verification: {error.sentence}"
                ) from None
            finally:
                self.engine.drop(staged)

    def _require_same_base(self, target: Generation) -> None:
        """Raise AdapterRefused if it was verified on another base: the short probe would not tell."""
        try:
            other = self.ledger.bases.elsewhere(target.number)
        except LedgerDown:
            return  # nobody knows, and what is live must be left now
        if other:
            why = f"generation {target.number} was verified on another base, which differs in {other}"
            raise AdapterRefused(Reason.BASE_CHANGED, f"{why}; `hotswapd submit --again` has the gates look at it")

    def _stage(self, target: Generation, artifact: Artifact | None) -> Staged:
        if artifact is None:
            raise Conflict(ErrorCode.GENERATION_NOT_KEPT, "the engine does not have the base model any more")
        try:
            return self._staged_anew(target, self.engine.admit(artifact.path, target.digest))
        except Rejected as error:
            raise AdapterRefused(error.code, f"generation {target.number} does not fit any more: {error}") from None
        except NoRoom as error:
            raise Conflict(ErrorCode.NO_BERTH, f"{error}; {_RAISE_BERTHS}") from None
        except OSError as error:
            why = f"generation {target.number} cannot be read from the store: {error.strerror or error}; fix the disk"
            raise AdapterRefused(Reason.STORE_UNREADABLE, why) from None

    def _staged_anew(self, target: Generation, admitted: Admitted) -> Staged:
        """Stage it; a canary gives way to a rollback that finds no berth."""
        try:
            return self.engine.stage(admitted, Patient())
        except NoRoom:
            self.live.clear_beside(target.number)
            return self.engine.stage(admitted, Patient())


def _change(target: Generation, left: Left, refuses: int | None, pins: bool | None = None) -> Change:
    at = target.uri, target.revision, target.stamp
    find = Find(OPERATOR, *at, State.VERIFIED, "rollback", forced=True, channel=target.channel)
    return Change(target.number, find, target.digest, left, refuses, pins)
