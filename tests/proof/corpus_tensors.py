"""Well-formed files whose tensors are not those of an adapter for this base, or whose values cannot be served."""

from collections.abc import Callable

import torch
from kits.adapters import BAD, PREFIX, edit_tensors

from .corpus import Bad, Spoil

Tensors = dict[str, torch.Tensor]
LAYER = PREFIX + "model.layers.{}.self_attn.q_proj"


def value(side: str, number: float) -> Spoil:
    """Set one value of the last tensor of a side."""

    def edit(tensors: Tensors) -> None:
        tensors[_names(tensors, side)[-1]].view(-1)[-1] = number

    return edit_tensors(edit)


def all_become(change: Callable[[torch.Tensor], torch.Tensor]) -> Spoil:
    return edit_tensors(lambda tensors: {name: change(tensor) for name, tensor in tensors.items()})


def last_becomes(side: str, change: Callable[[torch.Tensor], torch.Tensor]) -> Spoil:
    """Change the last tensor of a side: PEFT has copied all the others when it comes to it."""

    def edit(tensors: Tensors) -> None:
        name = _names(tensors, side)[-1]
        tensors[name] = change(tensors[name]).contiguous()

    return edit_tensors(edit)


def more(**added: tuple[int, ...]) -> Spoil:
    """Add tensors of ones; a name begins below PEFT's prefix, with `__` for each dot."""
    names = {PREFIX + name.replace("__", "."): shape for name, shape in added.items()}
    return edit_tensors(lambda tensors: tensors.update({name: torch.ones(*shape) for name, shape in names.items()}))


def without(piece: str) -> Spoil:
    return edit_tensors(lambda tensors: {name: tensor for name, tensor in tensors.items() if piece not in name})


def _names(tensors: Tensors, side: str) -> list[str]:
    return sorted(name for name in tensors if side in name)


def _one_more_spelling(tensors: Tensors) -> None:
    name = _names(tensors, "lora_A")[0]
    tensors[name.replace("lora_A.weight", "lora_A.default.weight")] = tensors[name].clone()


def _swapped(tensors: Tensors) -> Tensors:
    sides = {"lora_A": "lora_B", "lora_B": "lora_A"}
    return {
        name.replace(side, sides[side]): tensor for name, tensor in tensors.items() for side in sides if side in name
    }


def _of_another_width(tensors: Tensors) -> Tensors:
    return {n: torch.ones(t.shape[0], 64) if "lora_A" in n else torch.ones(64, t.shape[1]) for n, t in tensors.items()}


def _third_layer(tensors: Tensors) -> None:
    for side, shape in (("A", (4, 48)), ("B", (48, 4))):
        tensors[f"{LAYER.format(2)}.lora_{side}.weight"] = torch.ones(*shape)


TENSORS = [
    Bad("nan", value("lora_B", float("nan")), "non_finite"),
    Bad("infinity", value("lora_A", float("inf")), "non_finite"),
    Bad("minus_infinity", value("lora_B", float("-inf")), "non_finite"),
    Bad("infinite_in_the_bases_dtype", value("lora_A", 3.4028e38), "update_too_large", "ROLLED_BACK"),
    Bad("all_nan", all_become(lambda t: torch.full_like(t, float("nan"))), "non_finite"),
    Bad("huge_values", all_become(lambda t: t * 1e9), "update_too_large", "ROLLED_BACK"),
    Bad("values_that_overflow", all_become(lambda t: t * 1e30), "update_too_large", "ROLLED_BACK"),
    Bad("half_the_layers", BAD["half_the_layers"][0], "missing_tensors"),
    Bad("one_module_missing", without("layers.1.self_attn.v_proj"), "missing_tensors"),
    Bad("layer_too_many", edit_tensors(_third_layer), "unknown_target"),
    Bad("a_without_b", BAD["no_b"][0], "missing_pair"),
    Bad("only_a", without("lora_B"), "missing_pair"),
    Bad("wrong_prefix", BAD["wrong_prefix"][0], "unknown_target"),
    Bad("unknown_module", BAD["unknown_module"][0], "unknown_target"),
    Bad("two_spellings", edit_tensors(_one_more_spelling), "duplicate_tensor"),
    Bad("base_weight", more(model__norm__weight=(48,)), "base_weights"),
    Bad("lm_head", more(lm_head__lora_A__weight=(4, 48), lm_head__lora_B__weight=(260, 4)), "embeddings"),
    Bad("embedding", more(model__embed_tokens__lora_embedding_A=(4, 260)), "embeddings"),
    Bad("magnitude_vector", more(model__layers__0__self_attn__q_proj__lora_magnitude_vector=(48,)), "dora"),
    Bad("bias_tensor", more(model__layers__0__self_attn__q_proj__lora_B__bias=(48,)), "lora_bias"),
    Bad("other_width_in_the_last", last_becomes("lora_A", lambda t: torch.ones(t.shape[0], 49)), "shape_mismatch"),
    Bad("other_rank_in_the_last", last_becomes("lora_B", lambda t: torch.ones(t.shape[0], 3)), "rank_mismatch"),
    Bad("twice_the_rank", BAD["tensors_not_the_rank"][0], "rank_mismatch"),
    Bad("rank_above_the_slots_in_both", BAD["rank_too_high"][0], "rank_too_high"),
    Bad("base_of_another_width", edit_tensors(_of_another_width), "shape_mismatch"),
    Bad("a_and_b_exchanged", edit_tensors(_swapped), "shape_mismatch"),
    Bad("transposed", last_becomes("lora_B", lambda t: t.T), "shape_mismatch"),
    Bad("one_dimension", last_becomes("lora_B", lambda t: t.reshape(-1)), "shape_mismatch"),
    Bad("three_dimensions", last_becomes("lora_B", lambda t: t.unsqueeze(0)), "shape_mismatch"),
    Bad("no_values", last_becomes("lora_B", lambda t: torch.ones(0, t.shape[1])), "shape_mismatch"),
    Bad("int8", all_become(lambda t: t.to(torch.int8)), "dtype_refused"),
    Bad("boolean", all_become(lambda t: t > 0), "dtype_refused"),
    Bad("float64", all_become(lambda t: t.double() * 1e300), "dtype_refused"),
    Bad("float8", all_become(lambda t: t.to(torch.float8_e4m3fn)), "dtype_refused"),
    Bad("complex", last_becomes("lora_A", lambda t: t.to(torch.complex64)), "dtype_refused"),
]
