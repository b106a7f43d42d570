"""Going back, by hand or by itself: a kept generation becomes live again, in one turn when it is on the device."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog

from hotswapd.daemon.errors import Conflict
from hotswapd.daemon.host.failpoints import failpoint
from hotswapd.daemon.ledger.generation import Generation
from hotswapd.daemon.ledger.ledger import Ledger, Left
from hotswapd.daemon.ledger.rows import OPERATOR, Find, Row
from hotswapd.daemon.ledger.states import State
from hotswapd.daemon.pipeline.candidate import Pipeline
from hotswapd.loaders.store.artifact import Artifact
from hotswapd.loaders.store.store import Store
from hotswapd.swap.arena.image import Image
from hotswapd.swap.errors import NoImage, Rejected, RolledBack
from hotswapd.swap.lanes.lanes import NoLane

log = structlog.get_logger(__name__)
_TRIES = 32


@dataclass(slots=True)
class Rollback:
    """Every method is for the worker's thread."""

    pipeline: Pipeline
    ledger: Ledger
    store: Store
    base: Generation

    def target(self, number: int | None) -> Generation:
        """Find the generation to go back to, by default the last good one before the live one. Raises Conflict."""
        live = self.pipeline.live
        if number is None:
            older = (one for one in self.ledger.generations.newest(1000, good=True) if one.number < live.number)
            found: Generation | None = next(older, self.base)
        else:
            found = self.base if number == 0 else self.ledger.generations.get(number)
        if found is None:
            kept = ", ".join(str(one.number) for one in self.ledger.generations.newest(8))
            raise Conflict("no_such_generation", f"there is no generation {number}; there are 0 (the base), {kept}")
        if found.number == live.number:
            raise Conflict("already_live", f"generation {live.number} is live already")
        return found

    def run(self, target: Generation, left: Left, also: Callable[[], None] = lambda: None) -> Generation:
        """Make it live; `left` says what becomes of the one before, `also` is done in the same transaction.

        Raises Conflict, ResidentLost or LedgerDown; nothing has changed then.
        """
        with self.image(target) as image:
            failpoint("rollback")
            try:
                return self.pipeline.commit(lambda: self._row(target, also), image, target.number, left)
            except NoLane as error:
                raise Conflict("no_lane", f"{error}; try again when one has ended, or raise serve.lanes") from None

    def by_itself(self, code: str, sentence: str) -> Generation:
        """Go back to the newest good generation that can be had, at last to the base; pins nothing.

        Raises Conflict when that cannot be now, ResidentLost or LedgerDown.
        """
        bad = self.pipeline.live
        left = Left(State.ROLLED_BACK, code, sentence)
        older = [one for one in self.ledger.generations.newest(_TRIES, good=True) if one.number < bad.number]
        for target in (*older, self.base):
            try:
                return self.run(target, left, lambda: self.ledger.generations.refuse(bad.number))
            except Conflict as refusal:
                if refusal.code == "no_lane":
                    raise
                log.warning("passed_over", generation=target.number, code=refusal.code, detail=refusal.sentence)
        raise Conflict("already_live", "the base itself is live: there is nothing to go back to")

    @contextmanager
    def image(self, target: Generation) -> Iterator[Image]:
        """Give its image, verified and held: the one on the device when it is still there, else laid out again.

        Its copy in the store stays meanwhile, and has to be there either way: a restart has nothing else.
        Raises Conflict.
        """
        with self.store.hold(target.digest) as artifact:
            if artifact is None and target.number:
                do = "raise state.keep to keep more, or put the adapter into its source again"
                raise Conflict("generation_not_kept", f"generation {target.number} is not in the store any more; {do}")
            image = self.pipeline.on_device(target.number) or self._laid_out(target, artifact)
            try:
                if image.generation != target.number:  # laid out anew; what is still on the device was verified once
                    self.pipeline.resident.verify(image)
                yield image
            except RolledBack as error:
                raise Conflict(error.code, f"generation {target.number} fails verification: {error.sentence}") from None
            finally:
                self.pipeline.resident.drop(image)

    def _laid_out(self, target: Generation, artifact: Artifact | None) -> Image:
        assert artifact is not None  # the base is always on the device
        resident = self.pipeline.resident
        try:
            return resident.stage(resident.admit(artifact.path), target.digest)
        except Rejected as error:
            raise Conflict(error.code, f"generation {target.number} does not fit any more: {error}") from None
        except NoImage as error:
            raise Conflict("no_lane", f"{error}; try again when one has ended") from None

    def _row(self, target: Generation, also: Callable[[], None]) -> Row:
        """Write the rollback as a swap of its own, within the transaction that makes it live."""
        also()
        find = Find(OPERATOR, target.uri, target.revision, target.stamp, State.VERIFIED, "rollback", forced=True)
        return self.ledger.add([find], digest=target.digest, generation=target.number)[0]
