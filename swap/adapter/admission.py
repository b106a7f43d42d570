"""Admission: does a manifest meet the contract? All that does not is named at once."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

from hotswapd.swap.codes import ConfigCode, TensorCode
from hotswapd.swap.errors import Misfit, Rejected

from .config import MAX_RANK_READ, LoraFields, examine
from .contract import Contract, Slot
from .header import TensorSpec
from .manifest import Manifest
from .names import Pair, modules_named, pair_up
from .oracle import Meaning, MetaOracle

MAX_SCALING = 1000.0
"""Larger factors are mistakes: usual ones are 1 to 4, and 128 is the most that rank-stabilised LoRA was seen to use."""

MAX_MISFITS = 200
MAX_BASE_NAME = 1024
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
    """An admitted adapter: what goes into which slot."""

    manifest: Manifest
    placements: tuple[Placement, ...]


def admit(manifest: Manifest, contract: Contract, oracle: MetaOracle) -> Plan:
    """Check the manifest against the contract. Raises Rejected with every misfit. Reads no tensor."""
    fields, misfits = examine(manifest.config, oracle.defaults)
    misfits += _check_base(manifest, contract)
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
    if misfits:
        raise Rejected(_shorten(misfits), len(misfits))
    return Plan(manifest, tuple(placements))


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


def _check_base(manifest: Manifest, contract: Contract) -> list[Misfit]:
    if "*" in contract.base_models:
        return []
    name, revision = manifest.config.get("base_model_name_or_path"), manifest.config.get("revision")
    if not isinstance(name, str) or name not in contract.base_models:
        # Printable JSON text is TOML text too, so the line can be pasted whatever quotes the name holds.
        sayable = isinstance(name, str) and name.isprintable() and 0 < len(name) <= MAX_BASE_NAME
        line = json.dumps([name if sayable else "*"], ensure_ascii=False)
        remedy = f"if it was trained for this base under another name, add it: [admission] base_models = {line}"
        wanted = " or ".join(contract.base_models) or "a base that the configuration names"
        return [Misfit(ConfigCode.OTHER_BASE, "base_model_name_or_path", wanted, repr(name)[:200], remedy)]
    if revision not in (None, "", "main", contract.revision):
        remedy = "train it against the revision that is served, or serve the one it was trained for (model.revision)"
        return [Misfit(ConfigCode.OTHER_BASE_REVISION, "revision", contract.revision, str(revision)[:80], remedy)]
    return []


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


def _check_complete(fields: LoraFields, pairs: Sequence[Pair], manifest: Manifest, oracle: MetaOracle) -> list[Misfit]:
    """Compare the file with its own configuration where that names its targets plainly, with or without a slot here."""
    expected = oracle.expected(fields)
    if expected is None or not pairs:
        return []
    missing = sorted(expected - modules_named(manifest.tensors))
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


def _place(
    fields: LoraFields, pairs: Sequence[Pair], contract: Contract, oracle: MetaOracle
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
