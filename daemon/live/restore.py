"""After a start: make live what was live, without its source being there."""

import errno
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from hotswapd.daemon.host.failpoints import failpoint
from hotswapd.daemon.ledger.attempts import BOOT, SWAP
from hotswapd.daemon.ledger.generation import Generation
from hotswapd.daemon.ledger.ledger import Ledger, LedgerDown
from hotswapd.daemon.ledger.rows import OPERATOR, Find, Row
from hotswapd.daemon.ledger.states import State
from hotswapd.loaders.store.store import Store, digest_of
from hotswapd.swap.engine import Engine
from hotswapd.swap.errors import Rejected, RolledBack

log = structlog.get_logger(__name__)
_DEATHS = 3
_TRIES = 8
_LOST = "its copy in the store was lost or damaged; it is fetched again"


def pointed_at(store: Store) -> Generation | None:
    """Read what the pointer names; None when there is none, or it is damaged."""
    record = store.pointer()
    try:
        return None if record is None else Generation.of(record)
    except ValueError as error:
        log.error("pointer_unreadable", detail=str(error))  # noqa: TRY400 - the sentence says it
        return None


@dataclass(slots=True)
class Restorer:
    """Makes the last good generation live. For the worker's thread, once, before anything else is live."""

    engine: Engine
    ledger: Ledger
    store: Store
    report: Callable[[str], None]

    def restore(self, pointed: Generation | None, base: Generation) -> Generation:
        """Try what the pointer names, then older generations, then stay with the base; return what is live.

        A generation that does not fit the contract any more is not followed by an older one: the configuration was
        changed, so the base answers, and the generation is tried again like a new adapter. Raises ResidentLost.
        """
        if pointed is None or pointed.number == 0:
            return base
        for generation in self._candidates(pointed):
            self.report(f"restoring generation {generation.number} ({generation.uri})")
            try:
                with self.store.hold(generation.digest):
                    if self._bring_back(generation):
                        return generation
            except Rejected as error:
                log.warning("no_longer_fits", generation=generation.number, uri=generation.uri, detail=str(error))
                self._write(partial(self._try_again_later, generation))
                return base
        log.warning("serving_the_base", detail="no kept generation could be restored")
        return base

    def _candidates(self, pointed: Generation) -> Iterator[Generation]:
        yield pointed
        try:
            yield from (one for one in self.ledger.generations.newest(_TRIES, good=True) if one.number < pointed.number)
        except LedgerDown:
            return

    def _bring_back(self, generation: Generation) -> bool:
        """Make it live if it is whole and the process did not keep dying with it. Raises Rejected."""
        if not self._is_whole(generation) or self._deadly(generation):
            return False
        try:
            self._make_live(generation)
        except (RolledBack, Rejected) as error:
            self._write(lambda: self.ledger.attempts.end(generation.digest, BOOT))
            if isinstance(error, Rejected):
                raise
            log.error("restore_failed", generation=generation.number, code=error.code, detail=error.sentence)  # noqa: TRY400
            return False
        self._note_success(generation)
        return True

    def _make_live(self, generation: Generation) -> None:
        failpoint("restore")
        resident = self.engine.resident
        image = resident.stage(resident.admit(self._directory(generation)), generation.digest)
        try:
            resident.verify(image)
            resident.commit(image, generation.number)
            failpoint("restored")
        finally:
            resident.drop(image)

    def _directory(self, generation: Generation) -> Path:
        artifact = self.store.find(generation.digest)
        if artifact is None:
            raise FileNotFoundError(errno.ENOENT, "it is not in the store", generation.digest)
        return artifact.path

    def _is_whole(self, generation: Generation) -> bool:
        """Read its copy in the store again; what is lost or damaged is fetched again where its source has it still."""
        try:
            found = digest_of(self._directory(generation))
        except OSError as error:
            found = str(error)
        if found == generation.digest:
            return True
        log.error("artifact_lost", generation=generation.number, digest=generation.digest, found=found)
        self._write(lambda: self._fetch_again(generation))
        return False

    def _fetch_again(self, generation: Generation) -> None:
        row = self.ledger.rows.live()
        if row is None or row.swap_id != generation.swap_id:
            return
        with self.ledger.together():
            if row.source == OPERATOR:
                self._ask_its_source(row)
            else:
                row = self.ledger.move(row, State.FETCHED, "artifact_lost", _LOST)
                self.ledger.move(row, State.WAITING, "artifact_lost", _LOST, tries=1, next_try=time.time(), forced=True)

    def _ask_its_source(self, live: Row) -> None:
        """Fetch what an operator went back to from where it was once seen; an operator has nothing to fetch from."""
        seen = self.ledger.rows.sighted(live.uri, live.revision, OPERATOR)
        if seen is None:
            return
        self.ledger.move(live, State.RETIRED, "artifact_lost", _LOST)
        at = (seen.source, seen.uri, seen.revision, seen.stamp)
        find = Find(*at, State.WAITING, "artifact_lost", _LOST, forced=True)
        self.ledger.add([find], tries=1, next_try=time.time())

    def _write(self, write: Callable[[], Any]) -> None:
        """Write what can be written; a start does not wait for a disk that is full."""
        try:
            write()
        except LedgerDown as error:
            log.warning("ledger_down", detail=str(error))

    def _deadly(self, generation: Generation) -> bool:
        """Say whether the process died in this step again and again; write that it is under way if not."""
        try:
            deaths, _ = self.ledger.attempts.deaths(generation.digest, BOOT)
            if deaths >= _DEATHS:
                log.error("restore_skipped", generation=generation.number, deaths=deaths)
                return True
            self.ledger.attempts.begin(generation.digest, BOOT, "restoring")
        except LedgerDown as error:
            log.warning("ledger_down", detail=str(error))
        return False

    def _note_success(self, generation: Generation) -> None:
        """Bring the ledger and the pointer up to what is live; serving does not wait for a disk that is full."""
        try:
            for kind in (BOOT, SWAP):  # a process that died between pointer and ledger did not die of these bytes
                self.ledger.attempts.end(generation.digest, kind, forget=True)
            self.ledger.adopt(generation, OPERATOR)
            self.store.point(generation.record())
        except Exception as error:  # noqa: BLE001 - it is live, whatever cannot be written now
            log.warning("restore_not_recorded", generation=generation.number, detail=str(error))

    def _try_again_later(self, generation: Generation) -> None:
        row = self.ledger.adopt(generation, OPERATOR)
        why = "it no longer fits the contract; it is looked at again"
        self.ledger.move(row, State.FETCHED, "no_longer_fits", why, forced=True)
