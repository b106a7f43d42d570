"""The restore after a start: what was live becomes live again, without its source."""

import errno
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from hotswapd.daemon.engines.protocol import Engine, NoRoom, Patient, decide
from hotswapd.daemon.host.failpoints import failpoint
from hotswapd.daemon.ledger.attempts import BOOT, SWAP
from hotswapd.daemon.ledger.channel import DEFAULT
from hotswapd.daemon.ledger.generation import Generation
from hotswapd.daemon.ledger.ledger import Ledger, LedgerDown
from hotswapd.daemon.ledger.reasons import Reason
from hotswapd.daemon.ledger.rows import OPERATOR, Find, Row
from hotswapd.daemon.ledger.states import State
from hotswapd.loaders.store.store import Store, digest_of
from hotswapd.swap.errors import Rejected, RolledBack

from .going_live import Live

log = structlog.get_logger(__name__)
_DEATHS = 3
_TRIES = 8
_ELSEWHERE = "it was verified on a base with other weights"
_LOST = Reason.ARTIFACT_LOST, "its copy in the store was lost or damaged; it is fetched again"


def pointed_at(store: Store, channel: str = DEFAULT) -> Generation | None:
    """Read what a channel's pointer names; None if there is no pointer or it is damaged."""
    record = store.pointer(channel)
    try:
        return None if record is None else Generation.of(record | {"channel": channel})
    except ValueError as error:
        log.error("pointer_unreadable", detail=str(error))  # noqa: TRY400 - the sentence says it
        return None


@dataclass(frozen=True, slots=True)
class Restorer:
    """Makes a channel's last good generation live. For the worker's thread, once, before anything else goes live."""

    live: Live
    engine: Engine
    ledger: Ledger
    store: Store
    report: Callable[[str], None]
    verify_again: bool = True
    """Whether what was verified on another base is tried again by itself, like a new adapter."""

    def restore(self, pointed: Generation | None) -> None:
        """Try what the pointer names, then older generations, else keep the base; `live.now` is the result.

        Where the engine has no place left it comes back parked, once its copy was read and its description fits.

        If a generation no longer fits the contract, no older one is tried: the configuration was changed, so the base
        answers, and that generation is tried again like a new adapter. So it is with one that was verified on another
        base. If the engine has no room for it, what its pointer names stays, and the next start tries it again. Raises
        ResidentLost.
        """
        if pointed is None or pointed.number == 0:
            return
        if self._is_from_elsewhere(pointed):
            self._write(partial(self._set_aside, pointed))
            return
        for generation in self._candidates(pointed):
            self.report(f"restoring generation {generation.number} ({generation.uri})")
            try:
                with self.store.hold(generation.digest):
                    if self._bring_back(generation):
                        return
            except NoRoom as error:
                log.error("not_restored", generation=generation.number, channel=self.live.channel, detail=str(error))  # noqa: TRY400
                self._write(partial(self.ledger.attempts.end, generation.digest, BOOT, self.live.channel))
                return
            except Rejected as error:
                log.warning("no_longer_fits", generation=generation.number, uri=generation.uri, detail=str(error))
                self._write(partial(self._try_again_later, generation))
                return
        log.warning("serving_the_base", detail="no kept generation could be restored")

    def _candidates(self, pointed: Generation) -> Iterator[Generation]:
        yield pointed
        try:
            good = self.ledger.generations.newest(_TRIES, self.live.channel, good=True)
            older = (one for one in good if one.number < pointed.number)
            yield from (one for one in older if not self._is_from_elsewhere(one))
        except LedgerDown:
            return

    def _is_from_elsewhere(self, generation: Generation) -> bool:
        """Tell whether it was verified on another base; where the ledger cannot be read, nobody knows."""
        try:
            return bool(self.ledger.bases.elsewhere(generation.number))
        except LedgerDown:
            return False

    def _bring_back(self, generation: Generation) -> bool:
        """Make it live if its copy is whole and the process does not keep dying with it. Raises Rejected."""
        if not self._is_whole(generation) or self._deadly(generation):
            return False
        try:
            self._make_live(generation)
        except (RolledBack, Rejected) as error:
            self._write(lambda: self.ledger.attempts.end(generation.digest, BOOT, self.live.channel))
            if isinstance(error, Rejected):
                raise
            log.error("restore_failed", generation=generation.number, code=error.code, detail=error.sentence)  # noqa: TRY400
            return False
        self._note_success(generation)
        return True

    def _make_live(self, generation: Generation) -> None:
        failpoint("restore")
        admitted = self.engine.admit(self._directory(generation), generation.digest)
        if not self.engine.spare():
            self.live.come_back_parked(generation)
            return
        staged = self.engine.stage(admitted, Patient())
        try:
            decide(self.engine.check(staged))
            self.live.come_back(generation, staged)
        finally:
            self.engine.drop(staged)

    def _directory(self, generation: Generation) -> Path:
        artifact = self.store.find(generation.digest)
        if artifact is None:
            raise FileNotFoundError(errno.ENOENT, "it is not in the store", generation.digest)
        return artifact.path

    def _is_whole(self, generation: Generation) -> bool:
        """Read its copy in the store; if that is lost or damaged, have it fetched again while its source has it."""
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
        row = self.ledger.rows.live(self.live.channel)
        if row is None or row.swap_id != generation.swap_id:
            return
        with self.ledger.together():
            if row.source == OPERATOR:
                self._ask_its_source(row)
            else:
                row = self.ledger.move(row, State.FETCHED, *_LOST)
                self.ledger.move(row, State.WAITING, *_LOST, tries=1, next_try=time.time(), forced=True)

    def _ask_its_source(self, live: Row) -> None:
        """Have what an operator went back to fetched from the source that once saw it: an operator is not a source."""
        seen = self.ledger.rows.sighted(live, OPERATOR)
        if seen is None:
            return
        self.ledger.move(live, State.RETIRED, *_LOST)
        at = (seen.source, seen.uri, seen.revision, seen.stamp)
        find = Find(*at, State.WAITING, *_LOST, forced=True, channel=live.channel)
        self.ledger.add([find], tries=1, next_try=time.time())

    def _write(self, write: Callable[[], Any]) -> None:
        """Write it if the ledger takes it; a start does not wait for a full disk."""
        try:
            write()
        except LedgerDown as error:
            log.warning("ledger_down", detail=str(error))

    def _deadly(self, generation: Generation) -> bool:
        """Tell whether the process keeps dying in this step; if not, record that it is under way."""
        try:
            deaths, _ = self.ledger.attempts.deaths(generation.digest, BOOT, self.live.channel)
            if deaths >= _DEATHS:
                log.error("restore_skipped", generation=generation.number, deaths=deaths)
                return True
            self.ledger.attempts.begin(generation.digest, BOOT, "restoring", self.live.channel)
        except LedgerDown as error:
            log.warning("ledger_down", detail=str(error))
        return False

    def _note_success(self, generation: Generation) -> None:
        """Bring ledger and pointer up to date; serving does not wait for a full disk."""
        try:
            for kind in (BOOT, SWAP):  # a death between pointer and ledger was not due to these bytes
                self.ledger.attempts.end(generation.digest, kind, self.live.channel, forget=True)
            self.ledger.adopt(generation, OPERATOR)
            self.ledger.bases.note(generation.number)
            self.store.point(generation.record(), channel=self.live.channel)
        except Exception as error:  # noqa: BLE001 - it is live even if this cannot be written now
            log.warning("restore_not_recorded", generation=generation.number, detail=str(error))

    def _try_again_later(self, generation: Generation) -> None:
        row = self.ledger.adopt(generation, OPERATOR)
        why = "it no longer fits the contract; it is tried again"
        self.ledger.move(row, State.FETCHED, Reason.NO_LONGER_FITS, why, forced=True)

    def _set_aside(self, generation: Generation) -> None:
        """Try again what was verified on another base, or leave it to the operator; the base answers."""
        row = self.ledger.adopt(generation, OPERATOR)
        if self.verify_again:
            self.ledger.move(row, State.FETCHED, Reason.BASE_CHANGED, _ELSEWHERE, forced=True)
            return
        self.ledger.move(row, State.RETIRED, Reason.BASE_CHANGED, f"{_ELSEWHERE}; `hotswapd submit --again` tries it")
        self.store.point(self.live.now.record(), channel=self.live.channel)
