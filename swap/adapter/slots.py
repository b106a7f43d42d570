"""Chooses the modules of a base model that carry a LoRA slot."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from hotswapd.swap.errors import NoSlots

from .contract import Slot
from .families import beside_language

ALL_LINEAR = "all-linear"


def find_slots(model: nn.Module, target_modules: str | Sequence[str]) -> tuple[Slot, ...]:
    """Return the modules that get a slot, in the model's order.

    ``all-linear`` is every Linear and Conv1D of the language model but the output embedding. It is our own list, not
    PEFT's: theirs also wraps fused expert parameters, which cannot be prepared for hot-swapping. Otherwise
    `target_modules` are names or ends of names, as in PEFT's configuration.
    """
    names = (target_modules,) if isinstance(target_modules, str) else tuple(target_modules)
    wanted = None if names == (ALL_LINEAR,) else names
    found = []
    for name, module in _candidates(model):
        if wanted is None or any(name == end or name.endswith(f".{end}") for end in wanted):
            found.append(_slot(name, module))
    return tuple(found)


def uncovered(model: nn.Module, slots: Sequence[Slot]) -> tuple[str, ...]:
    """Return the modules of the language model that have parameters of two or more dimensions and no slot."""
    covered = {slot.module for slot in slots} | beside_language(model)
    return tuple(
        name
        for name, module in model.named_modules()
        if name not in covered and any(p.dim() >= 2 for p in module.parameters(recurse=False))
    )


def embeddings(model: nn.Module) -> frozenset[str]:
    """Return the modules that turn tokens into vectors, and the one that turns vectors back."""
    head_of: Any = getattr(model, "get_output_embeddings", lambda: None)
    head = head_of()
    return frozenset(
        name for name, module in model.named_modules() if isinstance(module, nn.Embedding) or module is head
    )


def require_slots(slots: Sequence[Slot], target_modules: str | Sequence[str], linear: Collection[str]) -> None:
    """Raise NoSlots when nothing of the base is named; `linear` are the modules that could carry a slot."""
    if slots:
        return
    asked = target_modules if isinstance(target_modules, str) else ", ".join(target_modules)
    there = ", ".join(sorted({name.rpartition(".")[2] for name in linear})) or "none"
    raise NoSlots(f"model.target_modules: {asked!r} names no module of the base; those that can carry a slot: {there}")


def _candidates(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    head_of: Any = getattr(model, "get_output_embeddings", lambda: None)
    head, beside = head_of(), beside_language(model)
    for name, module in model.named_modules():
        if name in beside:
            continue
        is_head = module is head or name.rpartition(".")[2] == "lm_head"
        if isinstance(module, nn.Linear | Conv1D) and not is_head and not _is_of_the_family(module, model):
            yield name, module


def _is_of_the_family(module: nn.Module, model: nn.Module) -> bool:
    """Tell whether the family made a Linear do something else, such as a router: PEFT's layer cannot stand for it.

    A family may also have written a Linear's own forward pass again.
    """
    kind = type(module)
    changed = kind.forward not in (nn.Linear.forward, Conv1D.forward)
    return changed and kind.__module__ == type(model).__module__ and not _answers_as_linear(module)


def _answers_as_linear(module: Any) -> bool:
    weight = module.weight
    try:
        with torch.inference_mode():
            found = module(torch.empty(1, weight.shape[1], dtype=weight.dtype, device=weight.device))
    except Exception:  # noqa: BLE001 - a family's own code may raise anything
        return False
    return isinstance(found, torch.Tensor) and found.shape == (1, weight.shape[0])


def _slot(name: str, module: nn.Module) -> Slot:
    if isinstance(module, nn.Linear):
        return Slot(name, module.in_features, module.out_features)
    inputs, outputs = module.get_parameter("weight").shape
    return Slot(name, inputs, outputs, conv1d=True)
