"""Admission: does a manifest meet the contract? All that does not is named at once."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from hotswapd.swap.codes import ConfigCode, TensorCode
from hotswapd.swap.errors import Misfit, Rejected

from .base_check import check_base
from .config import MAX_RANK_READ, MICA, LoraFields, examine
from .contract import Contract, Slot
from .header import TensorSpec
from .knowledge import Knowledge, Meaning
from .manifest import Manifest
from .names import Pair, as_loaded, modules_named, pair_up

MAX_SCALING = 1000.0
"""Larger factors are mistakes: usual ones are 1 to 4, and 128 is the most that rank-stabilised LoRA was seen to use."""

MAX_MISFITS = 200
_DTYPES = ("F32", "F16", "BF16")


@dataclass(frozen=True, slots=True)
class Placement:
    """One slot's tensors: A is (rank, inputs), B is (outputs, rank), and the layer adds B(A(x)) * scaling."""

    slot: Slot
    rank: int
    scaling: float
    a: TensorSpec
    b: TensorSpec


@dataclass(frozen=True, slots=True)
class Plan:
    """An admitted adapter: what goes into which slot, and what is odd about it but stops nothing."""

    manifest: Manifest
    placements: tuple[Placement, ...]
    warnings: tuple[Misfit, ...] = ()


def admit(manifest: Manifest, contract: Contract, oracle: Knowledge) -> Plan:
    """Check the manifest against the contract. Raises Rejected with every misfit. Reads no tensor."""
    fields, misfits = examine(manifest.config, oracle.defaults)
    other_base, warnings = check_base(manifest.config, contract, manifest.base_fingerprint)
    misfits += other_base
    pairs, named_wrongly = pair_up(manifest.tensors, contract.slots, oracle)
    misfits += named_wrongly
    misfits += _check_pairs(pairs)
    misfits += _check_complete(fields, pairs, manifest, oracle)
    misfits += _check_orientation(fields, pairs)
    misfits += _check_ranks(fields, contract)
    placements: list[Placement] = []
    if not any(misfit.code in _BLINDING for misfit in misfits):
        placements, unmeant = _place(fields, pairs, contract, oracle)
        misfits += unmeant
        misfits += _check_mica(manifest, placements)
    if misfits:
        raise Rejected(_shorten(misfits), len(misfits))
    return Plan(manifest, tuple(placements), tuple(warnings))


# After these PEFT is not asked: the fields that the question would be about are wrong themselves.
_BLINDING = frozenset(
    (
        ConfigCode.BAD_RANK,
        ConfigCode.RANK_OUT_OF_RANGE,
        ConfigCode.BAD_SCALING,
        ConfigCode.PATTERN_NOT_LITERAL,
        ConfigCode.TOO_MANY_PATTERNS,
    )
)


def _check_pairs(pairs: Sequence[Pair]) -> list[Misfit]:
    found = []
    if not pairs:
        found.append(
            Misfit(
                TensorCode.NO_TENSORS, "tensors", "at least one slot's A and B", "none", "check that training saved it"
            )
        )
    for pair in pairs:
        if pair.a is None or pair.b is None:
            missing = "lora_A" if pair.a is None else "lora_B"
            remedy = "the file is not complete: save the adapter again"
            found.append(
                Misfit(TensorCode.MISSING_PAIR, pair.slot.module, "both lora_A and lora_B", f"no {missing}", remedy)
            )
        for spec in (pair.a, pair.b):
            if spec is not None and spec.dtype not in _DTYPES:
                remedy = "save the adapter in float32, float16 or bfloat16"
                found.append(Misfit(TensorCode.DTYPE_REFUSED, spec.name, " or ".join(_DTYPES), spec.dtype, remedy))
    return found


def _check_complete(fields: LoraFields, pairs: Sequence[Pair], manifest: Manifest, oracle: Knowledge) -> list[Misfit]:
    """Compare the file with its own configuration where that names its targets plainly, with or without a slot here."""
    expected = oracle.expected(fields)
    if expected is None or not pairs:
        return []
    missing = sorted(expected - modules_named(as_loaded(manifest.tensors, oracle).values()))
    more = sorted({pair.slot.module for pair in pairs} - expected)
    found = []
    if missing and fields.exclude_modules is not None:
        got = f"none for {len(missing)} of them, e.g. {missing[0]}"
        remedy = "the file is not complete, or target_modules names more than was trained: save the adapter again"
        wanted = f"tensors for all {len(expected)} targets"
        found.append(Misfit(TensorCode.MISSING_TENSORS, "target_modules", wanted, got, remedy))
    if more:
        got = f"tensors for {len(more)} other modules, e.g. {more[0]}"
        remedy = "PEFT would not load these: save the configuration and the tensors together"
        found.append(
            Misfit(TensorCode.UNTARGETED_TENSORS, "target_modules", "tensors for its targets only", got, remedy)
        )
    return found


def _check_orientation(fields: LoraFields, pairs: Sequence[Pair]) -> list[Misfit]:
    linear = [pair.slot.module for pair in pairs if not pair.slot.conv1d]
    if not fields.fan_in_fan_out or not linear:
        return []
    remedy = "set it to false: this base's module is a Linear, so the adapter seems to be for another base"
    return [
        Misfit(ConfigCode.FAN_IN_FAN_OUT, "fan_in_fan_out", f"false, since {linear[0]} is a Linear", "true", remedy)
    ]


def _check_ranks(fields: LoraFields, contract: Contract) -> list[Misfit]:
    """Refuse absurd ranks before PEFT is asked to make layers of them."""
    worst = max([fields.r, *fields.rank_pattern.values()])
    if worst <= MAX_RANK_READ:
        return []
    wanted = f"at most {contract.max_rank}"
    return [Misfit(ConfigCode.RANK_OUT_OF_RANGE, "r", wanted, str(worst), "correct the configuration")]


def _check_mica(manifest: Manifest, placements: Sequence[Placement]) -> list[Misfit]:
    """Refuse what PEFT does not load: it takes as many singular vectors of the base's weight as the rank says."""
    if manifest.config.get("init_lora_weights") != MICA:
        return []
    wide = [one for one in placements if one.rank > min(one.slot.inputs, one.slot.outputs)]
    remedy = "correct one of both: PEFT does not load such a rank with this initialisation"
    return [
        Misfit(
            ConfigCode.BAD_RANK,
            one.slot.module,
            f"a rank of at most {min(one.slot.inputs, one.slot.outputs)} with init_lora_weights='mica'",
            str(one.rank),
            remedy,
        )
        for one in wide[:1]
    ]


def _place(
    fields: LoraFields, pairs: Sequence[Pair], contract: Contract, oracle: Knowledge
) -> tuple[list[Placement], list[Misfit]]:
    """Compare each pair with what PEFT would make of its module."""
    whole = [pair for pair in pairs if pair.a is not None and pair.b is not None]
    meanings = oracle.meaning(fields, [pair.slot.module for pair in whole]) if whole else {}
    placements, misfits = [], []
    for pair in whole:
        meaning = meanings.get(pair.slot.module)
        if meaning is None or pair.a is None or pair.b is None:
            remedy = "report it: PEFT did not put a layer where the file has tensors"
            misfits.append(Misfit(TensorCode.UNKNOWN_TARGET, pair.slot.module, "a LoRA layer", "none", remedy))
            continue
        wrong = _compare(pair.slot, pair.a, pair.b, meaning, contract)
        misfits += wrong
        if not wrong:
            placements.append(Placement(pair.slot, meaning.rank, meaning.scaling, pair.a, pair.b))
    return placements, misfits


def _compare(slot: Slot, a: TensorSpec, b: TensorSpec, meaning: Meaning, contract: Contract) -> list[Misfit]:
    found = []
    if meaning.rank > contract.max_rank:
        remedy = f"train with a rank of at most {contract.max_rank}, or raise model.max_rank and restart"
        wanted, got = f"a rank of at most {contract.max_rank}", str(meaning.rank)
        found.append(Misfit(TensorCode.RANK_TOO_HIGH, slot.module, wanted, got, remedy))
    if not (math.isfinite(meaning.scaling) and 0 < meaning.scaling <= MAX_SCALING):
        remedy = "check lora_alpha, alpha_pattern and use_rslora"
        found.append(
            Misfit(
                ConfigCode.BAD_SCALING,
                slot.module,
                f"a factor of at most {MAX_SCALING:g}",
                f"{meaning.scaling:g}",
                remedy,
            )
        )
    for spec, shape, rank_axis in ((a, meaning.a_shape, 0), (b, meaning.b_shape, 1)):
        if spec.shape != shape:
            found.append(_wrong_shape(spec, shape, rank_axis))
    return found


def _wrong_shape(spec: TensorSpec, wanted: tuple[int, ...], rank_axis: int) -> Misfit:
    only_rank = len(spec.shape) == 2 and spec.shape[1 - rank_axis] == wanted[1 - rank_axis]
    code = TensorCode.RANK_MISMATCH if only_rank else TensorCode.SHAPE_MISMATCH
    remedy = (
        "the configuration's rank is not that of the tensors: save both together"
        if only_rank
        else "the adapter was trained for a base of another shape"
    )
    return Misfit(code, spec.name, str(list(wanted)), str(list(spec.shape)), remedy)


def _shorten(misfits: list[Misfit]) -> list[Misfit]:
    if len(misfits) <= MAX_MISFITS:
        return misfits
    rest = len(misfits) - MAX_MISFITS
    return [
        *misfits[:MAX_MISFITS],
        Misfit(TensorCode.MORE, "adapter", "none", f"{rest} more misfits", "fix the first ones"),
    ]
