"""All gates on the model itself, one after the other, the cheapest first."""

from collections.abc import Sequence

from hotswapd.swap.berths.image import Image
from hotswapd.swap.codes import GateCode
from hotswapd.swap.errors import RolledBack
from hotswapd.swap.resident.resident import Resident

from .dataset import DatasetGate
from .gate import Attempt, Gate, Ground
from .golden import GoldenGate
from .norms import NormsGate
from .probe import ProbeGate
from .reading import Reading
from .replay import ReplayGate
from .spec import OnVerdict, Outcome, Progress, Replayed, Spec, Verdict
from .turns import GateTurns, Surroundings

GATES: tuple[type[Gate], ...] = (NormsGate, ProbeGate, GoldenGate, DatasetGate, ReplayGate)
"""In the order in which a candidate passes them. A new gate is a file beside these and a name here."""


class Verifier:
    """Tries candidates. For the worker's thread. The first one waits for a reading of the base, unless that is done."""

    def __init__(
        self,
        resident: Resident,
        spec: Spec,
        around: Surroundings,
        *,
        context: int,
        ends: Sequence[int],
        base_probe: list[Reading] | None = None,
    ) -> None:
        """`context` is the longest text that the model can read, `ends` the tokens that end an answer.

        Verifiers of one resident that are given the same list as `base_probe` read the probe with the base once.
        """
        self._resident = resident
        self._spec = spec
        self._around = around
        ground = Ground(resident, spec, context, tuple(ends), self._turns, [] if base_probe is None else base_probe)
        self._gates = tuple(gate(ground) for gate in GATES)

    def prepare(self) -> bool:
        """Measure of the base what candidates are compared with, unless that is done; return whether it was done now.

        Raises RolledBack when it takes longer than a candidate's gates may,
        Interrupted when it was told to stop, and ResidentLost.
        """
        prepared = [gate.prepare() for gate in self._gates]
        return any(prepared)

    def run(
        self,
        image: Image,
        on_verdict: OnVerdict,
        before: Sequence[float] = (),
        live: Image | None = None,
        replay: Sequence[Replayed] | None = None,
        *,
        thorough: bool = True,
    ) -> None:
        """Try one candidate in its own berth; `on_verdict` gets each verdict, even one that fails.

        `before` are the update norms of generations that were live, `live` is what it would follow, held by the caller;
        without it that is the base; `replay` is a sample of what that has answered. Unless `thorough`, gates are left
        out of which one member's answer is enough. Raises RolledBack at the first gate that fails, Interrupted when it
        was told to stop, and ResidentLost.
        """
        turns = self._turns()
        attempt = Attempt(image, turns, live or self._resident.base_image, before, replay)
        try:
            for gate in (one for one in self._gates if thorough or not one.once):
                for verdict in gate.verdicts(attempt):
                    _pass(verdict, on_verdict)
        except RolledBack as error:
            if error.code == GateCode.VERIFY_TIMEOUT:
                on_verdict(Verdict(turns.progress.gate, Outcome.FAILED, error.code, error.sentence, turns.numbers()))
            raise
        finally:
            turns.at(Progress(""))

    def _turns(self) -> GateTurns:
        return GateTurns(self._resident, self._spec.limits, self._around)


def _pass(verdict: Verdict, on_verdict: OnVerdict) -> None:
    on_verdict(verdict)
    if verdict.outcome == Outcome.FAILED:
        raise RolledBack(verdict.code, verdict.sentence)
