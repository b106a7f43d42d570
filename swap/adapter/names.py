"""From tensor names to slots. A name must be exactly as PEFT writes it; a similar one is refused by name."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from hotswapd.codes import Code
from hotswapd.swap.codes import ConfigCode, TensorCode
from hotswapd.swap.errors import Misfit

from .contract import Slot
from .header import TensorSpec
from .knowledge import Knowledge
from .nearest import NearestSlot

_PREFIX = "base_model.model."
_ENDS = {f".lora_{side}{infix}.weight": side for side in "AB" for infix in ("", ".default")}
_SUGGESTIONS = 20
"""Names that get a suggestion of what was meant; it would be the same for the rest."""

WIDEN = "widen model.target_modules and restart, or train without this module"
LEAVE_OUT = "leave the embeddings and lm_head out of target_modules"
NOT_LINEAR = "leave it out of target_modules: no slot can be made of this module"
TEXT_ONLY = "train the language model alone: this base is served for text, and the vision tower never runs"
_BESIDE = "one that reads images or sound"
CAUSAL = "train it as a causal language model, with task_type='CAUSAL_LM': a head for another task is not served"
_HEADS = frozenset({"score", "classifier", "classification_head", "qa_outputs", "v_head", "value_head"})
"""Modules that transformers and TRL put on top of a language model for another task."""
_BESIDE_WORDS = frozenset({"vision_tower", "vision_model", "visual", "multi_modal_projector", "audio_tower"})
"""What families call that which they see and hear with, and the way from there to the language model."""

# What else a tensor can be, by a part of its name, the most specific first.
_KINDS: tuple[tuple[str, Code, str], ...] = (
    ("lora_magnitude_vector", ConfigCode.DORA, "train without use_dora"),
    ("lora_embedding_", TensorCode.EMBEDDINGS, "leave the embeddings out of target_modules"),
    ("trainable_tokens", ConfigCode.TRAINABLE_TOKENS, "train without trainable_token_indices"),
    ("modules_to_save", ConfigCode.MODULES_TO_SAVE, "train without modules_to_save"),
    (".bias", ConfigCode.LORA_BIAS, "train with bias='none' and lora_bias=False"),
    (
        ".experts.",
        TensorCode.EXPERT_TENSORS,
        "leave the experts out of target_modules: they are fused parameters, not modules",
    ),
)


@dataclass(slots=True)
class Pair:
    """The two tensors of a slot, as far as the file has them."""

    slot: Slot
    a: TensorSpec | None = None
    b: TensorSpec | None = None


def pair_up(
    tensors: Mapping[str, TensorSpec], slots: Sequence[Slot], oracle: Knowledge
) -> tuple[list[Pair], list[Misfit]]:
    """Sort the file's tensors into slots, and explain each of the others: what it is and what to do."""
    by_module = {slot.module: slot for slot in slots}
    pairs: dict[str, Pair] = {}
    misfits: list[Misfit] = []
    strangers: list[str] = []
    loaded = as_loaded(tensors, oracle)
    for name, spec in tensors.items():
        module, side = split_name(loaded[name])
        slot = by_module.get(module) if side else None
        if slot is None:
            strangers.append(name)
            continue
        pair = pairs.setdefault(module, Pair(slot))
        if (pair.a if side == "A" else pair.b) is not None:
            remedy = "keep one of the two spellings, with or without .default"
            misfits.append(Misfit(TensorCode.DUPLICATE_TENSOR, name, "one tensor for each side", "two", remedy))
        elif side == "A":
            pair.a = spec
        else:
            pair.b = spec
    return list(pairs.values()), misfits + _explain_all({name: loaded[name] for name in strangers}, by_module, oracle)


def as_loaded(names: Iterable[str], oracle: Knowledge) -> dict[str, str]:
    """Return what each tensor is called once PEFT has loaded it; of a few families it misreads its own names."""
    names = list(names)
    asked = [name for name in names if name.startswith(_PREFIX)]
    renamed = oracle.renamed(asked) if asked else {}
    return {name: renamed.get(name, name) for name in names}


def split_name(name: str) -> tuple[str, str]:
    """Split PEFT's name into module and side ("A" or "B"); ("", "") when it is not one."""
    if name.startswith(_PREFIX):
        for end, side in _ENDS.items():
            if name.endswith(end):
                return name[len(_PREFIX) : -len(end)], side
    return "", ""


def modules_named(names: Iterable[str]) -> frozenset[str]:
    """Name every module that a tensor of the file belongs to by its name, whatever kind of tensor that is."""
    return frozenset(name.removeprefix(_PREFIX).partition(".lora_")[0] for name in names)


def _explain_all(loaded: Mapping[str, str], by_module: Mapping[str, Slot], oracle: Knowledge) -> list[Misfit]:
    nearest = NearestSlot(by_module if loaded else ())
    names = enumerate(loaded.items())
    return [_explain(*name, nearest if n < _SUGGESTIONS else None, oracle) for n, name in names]


def _explain(written: str, name: str, nearest: NearestSlot | None, oracle: Knowledge) -> Misfit:
    """Explain a tensor without a slot: as it is `written` in the file, and the `name` that PEFT loads it under."""
    shown = written[:200]
    bare = name.removeprefix(_PREFIX)
    head = bare.partition(".")[0]
    if head in _HEADS and head not in oracle.modules:
        return Misfit(TensorCode.TASK_HEAD, shown, "LoRA tensors of a language model", "a head of another task", CAUSAL)
    for piece, code, remedy in _KINDS:
        if piece in name:
            return Misfit(code, shown, "only lora_A and lora_B weights of a slot", "this tensor", remedy)
    module, side = split_name(name)
    if module in oracle.beside or (module not in oracle.modules and not _BESIDE_WORDS.isdisjoint(bare.split("."))):
        return Misfit(TensorCode.BESIDE_LANGUAGE, shown, "a module of the language model", _BESIDE, TEXT_ONLY)
    if bare in oracle.parameters or bare.replace(".base_layer", "") in oracle.parameters:
        return Misfit(
            TensorCode.BASE_WEIGHTS, shown, "LoRA tensors only", "a weight of the base", "save only the adapter"
        )
    if side and (module in oracle.embeddings or module.rpartition(".")[2] == "lm_head"):
        return Misfit(TensorCode.EMBEDDINGS, shown, "a module with a slot", "one that has none", LEAVE_OUT)
    if side and module in oracle.linear and module not in oracle.unadaptable(oracle.linear):
        return Misfit(TensorCode.NO_SLOT, shown, "a module with a slot", "one that has none", WIDEN)
    if side and (module in oracle.linear or module in oracle.uncovered):
        return Misfit(TensorCode.NOT_LINEAR, shown, "a Linear or Conv1D", "a module of another kind", NOT_LINEAR)
    return Misfit(TensorCode.UNKNOWN_TARGET, shown, "a slot of this base", "no such slot", _meant(name, nearest))


def _meant(name: str, nearest: NearestSlot | None) -> str:
    end = f".lora_{'B' if '.lora_B' in name else 'A'}.weight"
    module = nearest.find(name, _PREFIX, end) if nearest else None
    if module:
        return f"the nearest slot is {_PREFIX}{module}{end}; rename the tensor, or train for this base"
    return "train the adapter for this base, with PEFT's own names"
