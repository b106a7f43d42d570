"""The next candidate, staged while another one is verified: so that its turn begins with its gates."""

from collections.abc import Callable

import structlog

from hotswapd.daemon.engines.protocol import Admitted, Caller, Engine, NoRoom, Patient, Staged
from hotswapd.daemon.ledger.attempts import SWAP
from hotswapd.daemon.ledger.ledger import Ledger
from hotswapd.daemon.ledger.rows import Row
from hotswapd.loaders.store.store import Store
from hotswapd.swap.errors import Rejected, RolledBack
from hotswapd.swap.gates.spec import Verdict

log = structlog.get_logger(__name__)


class _Noting(Patient):
    """The `Caller` of a staging whose candidate has not begun: it keeps the verdicts for it, and does not give way."""

    def __init__(self) -> None:
        self.verdicts: list[Verdict] = []

    def give_way(self) -> None:
        """Go on: this is done while another one gives way."""

    def verdict(self, verdict: Verdict, member: str = "") -> None:
        """Keep it."""
        self.verdicts.append(verdict)


class Ahead:
    """At most one candidate that is staged before its turn. For the worker's thread."""

    def __init__(self, engine: Engine, ledger: Ledger, store: Store) -> None:
        """Begin with none."""
        self._engine = engine
        self._ledger = ledger
        self._store = store
        self._digest = ""
        self._staged: Staged | None = None
        self._caller = _Noting()

    @property
    def digest(self) -> str:
        """What is staged, empty if nothing is."""
        return self._digest

    def stage(self, choose: Callable[[], Row | None]) -> None:
        """Stage what `choose` says is next, if there is a place that nobody needs; whatever fails, its turn will tell.

        Raises ResidentLost or LedgerDown.
        """
        if self._staged is not None or not self._engine.spare():
            return
        row = choose()
        artifact = self._store.find(row.digest) if row is not None else None
        if row is None or artifact is None:
            return
        self._caller = _Noting()
        self._ledger.attempts.begin(row.digest, SWAP, "staging", row.channel)
        try:
            self._staged = self._engine.stage(self._engine.admit(artifact.path, row.digest), self._caller)
            self._digest = row.digest
        except (NoRoom, Rejected, RolledBack, OSError, MemoryError) as error:
            log.debug("not_staged_ahead", uri=row.uri, channel=row.channel, detail=str(error))
        finally:
            self._ledger.attempts.end(row.digest, SWAP, row.channel)

    def take(self, admitted: Admitted, caller: Caller) -> Staged:
        """Return the candidate staged: as it was before its turn, or now. Raises what `Engine.stage` raises."""
        staged = self._staged if self._digest == admitted.digest else None
        if staged is None:
            self.drop()
            return self._engine.stage(admitted, caller)
        self._staged, self._digest = None, ""
        for verdict in self._caller.verdicts:
            caller.verdict(verdict)
        return staged

    def drop(self) -> None:
        """Give up what is staged: its place is needed, or its turn does not come."""
        staged, self._staged, self._digest = self._staged, None, ""
        if staged is not None:
            self._engine.drop(staged)
