"""All gates on the model itself, one after the other, the cheapest first."""

from collections.abc import Sequence
from typing import Any

from hotswapd.swap.arena.image import Image
from hotswapd.swap.arena.norms import base_norms
from hotswapd.swap.errors import RolledBack
from hotswapd.swap.resident.resident import Resident

from .dataset import dataset_perplexity, dataset_tokens, dataset_verdict
from .golden import golden_verdict
from .norms import norms_verdict
from .probe import Reading, probe_texts, probe_verdict, read_texts
from .spec import Dataset, Hear, Outcome, Progress, Spec, Verdict
from .turns import GateTurns, Surroundings


class Verifier:
    """Tries candidates. For the worker's thread. The first one waits for a reading of the base, unless that is done."""

    def __init__(
        self, resident: Resident, spec: Spec, around: Surroundings, *, context: int, ends: Sequence[int]
    ) -> None:
        """`context` is the longest text that the model can read, `ends` the tokens that end an answer."""
        self._resident = resident
        self._spec = spec
        self._around = around
        self._ends = ends
        self._vocabulary: int = resident.model.config.get_text_config().vocab_size
        self._texts = probe_texts(resident.tokenizer, self._vocabulary, context)
        self._base_norms = base_norms(resident.model)
        self._base: Reading | None = None
        self._perplexities: dict[str, float] = {}

    def prepare(self) -> bool:
        """Read the texts with the base unless that is done; return whether it was done now.

        The arena is as before either way. Raises RolledBack when it takes longer than a candidate's gates may,
        Interrupted when it was told to stop, and ResidentLost.
        """
        if self._base is not None:
            return False
        self._base = self._read_base()
        return True

    def run(self, image: Image, hear: Hear, before: Sequence[float] = ()) -> None:
        """Try one candidate; `hear` gets each verdict, also the one that fails. The arena is as before either way.

        `before` are the update norms of generations that were live. Raises RolledBack at the first gate that fails,
        Interrupted when it was told to stop, and ResidentLost.
        """
        turns = GateTurns(self._resident, self._spec.limits, self._around)
        try:
            self._run(turns, image, hear, before)
        except RolledBack as error:
            if error.code == "verify_timeout":
                hear(Verdict(turns.progress.gate, Outcome.FAILED, error.code, error.sentence, turns.numbers()))
            raise
        finally:
            turns.at(Progress(""))

    def _run(self, turns: GateTurns, image: Image, hear: Hear, before: Sequence[float]) -> None:
        limits = self._spec.limits
        turns.at(Progress("norms"))
        turns.check()
        _pass(norms_verdict(image, self._resident.arena.layout, self._base_norms, before, limits), hear)
        self.prepare()
        assert self._base is not None
        _pass(probe_verdict(read_texts(turns, image, self._texts), self._base, self._vocabulary, limits), hear)
        for golden in self._spec.golden:
            _pass(golden_verdict(turns, image, golden, self._decode, self._ends), hear)
        if self._spec.dataset is not None:
            _pass(self._quality(turns, image, self._spec.dataset), hear)

    def _read_base(self) -> Reading:
        """Read the texts with the base, in turns of their own: the candidate's time is for the candidate."""
        turns = GateTurns(self._resident, self._spec.limits, self._around)
        return read_texts(turns, self._resident.base_image, self._texts)

    def _quality(self, turns: GateTurns, image: Image, dataset: Dataset) -> Verdict:
        """Measure base and live generation where that was not done yet, and then the candidate."""
        live, base = self._resident.live, self._resident.base_image
        wanted = [
            one for one in {base.digest: base, live.digest: live}.values() if one.digest not in self._perplexities
        ]
        turns.be_long()
        turns.at(Progress("dataset", 0, dataset_tokens(dataset) * (len(wanted) + 1)))
        self._resident.hold(live)
        try:
            measured = {one.digest: dataset_perplexity(turns, one, dataset) for one in wanted}
        finally:
            self._resident.release(live)
        known = self._perplexities | measured
        self._perplexities = {digest: known[digest] for digest in (base.digest, live.digest)}
        now = dataset_perplexity(turns, image, dataset)
        return dataset_verdict(dataset, now, known[live.digest], known[base.digest])

    def _decode(self, tokens: Sequence[int]) -> str:
        tokenizer: Any = self._resident.tokenizer
        return str(tokenizer.decode(list(tokens), skip_special_tokens=True))


def _pass(verdict: Verdict, hear: Hear) -> None:
    hear(verdict)
    if verdict.outcome == Outcome.FAILED:
        raise RolledBack(verdict.code, verdict.sentence)
