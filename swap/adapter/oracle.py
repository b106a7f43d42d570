"""What an adapter means, read off PEFT's own injection into a copy of the base on the meta device."""

import copy
import functools
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from peft.tuners.lora.layer import ParamWrapper
from peft.tuners.tuners_utils import check_target_module_exists
from torch import nn
from transformers import AutoModelForCausalLM, PretrainedConfig

from .config import LoraFields
from .contract import Slot
from .families import auto_class, beside_language
from .knowledge import Meaning
from .patterns import in_parts, relevant_names, winning
from .renaming import renamed
from .slots import ALL_LINEAR, embeddings, find_slots, uncovered

NAME = "default"
_KEPT = 16
"""Answers of PEFT that are kept: the adapters of one training job differ only in their values."""


@dataclass(frozen=True, slots=True)
class _Question:
    """Everything that decides what PEFT makes of some modules."""

    r: int
    lora_alpha: float
    use_rslora: bool
    ranks: tuple[tuple[str, int], ...]
    alphas: tuple[tuple[str, float], ...]
    modules: tuple[str, ...]


class MetaOracle:
    """The base on the meta device: shapes and names, no weights. Its methods may be called from any thread."""

    def __init__(
        self,
        config: PretrainedConfig,
        target_modules: str | Sequence[str] = "all-linear",
        *,
        trust_remote_code: bool = False,
    ) -> None:
        with torch.device("meta"):
            auto = auto_class(config, trust_remote_code=trust_remote_code) or AutoModelForCausalLM
            self._base: nn.Module = auto.from_config(copy.deepcopy(config), trust_remote_code=trust_remote_code)
        self._unadaptable = functools.cache(self._find_unadaptable)
        self.slots: tuple[Slot, ...] = self._choose(target_modules)
        self.linear: frozenset[str] = frozenset(slot.module for slot in find_slots(self._base, ALL_LINEAR))
        self.uncovered: tuple[str, ...] = uncovered(self._base, self.slots)
        self.beside: frozenset[str] = beside_language(self._base)
        self.embeddings: frozenset[str] = embeddings(self._base)
        self.modules: tuple[str, ...] = tuple(name for name, _ in self._base.named_modules() if name)
        self.parameters: frozenset[str] = frozenset(
            name for name, _ in self._base.named_parameters(remove_duplicate=False)
        )
        self.defaults: Mapping[str, Any] = LoraConfig().to_dict()
        self._answer = functools.lru_cache(maxsize=_KEPT)(self._inject)
        self._renamed = functools.lru_cache(maxsize=_KEPT)(functools.partial(renamed, self._base))

    @property
    def base(self) -> nn.Module:
        """The base itself, on the meta device; to be looked at only."""
        return self._base

    def renamed(self, names: Iterable[str]) -> Mapping[str, str]:
        """Return what PEFT calls these tensors once it has loaded them, as far as it is asked about them."""
        return self._renamed(tuple(names))

    def _choose(self, target_modules: str | Sequence[str]) -> tuple[Slot, ...]:
        """Find the slots; of all Linear modules, those that PEFT makes a layer for and whose tensors it loads again."""
        slots = find_slots(self._base, target_modules)
        if target_modules != ALL_LINEAR or not slots:
            return slots
        without = self._unadaptable(frozenset(slot.module for slot in slots))
        names = {slot.module: f"base_model.model.{slot.module}.lora_A.weight" for slot in slots}
        loaded = renamed(self._base, names.values())
        lost = {module for module, name in names.items() if loaded.get(name, name) != name}
        return tuple(slot for slot in slots if slot.module not in without | lost)

    def unadaptable(self, modules: frozenset[str]) -> frozenset[str]:
        """Name those of the modules that PEFT makes no layer of their own for.

        It turns some names, such as ``gate_proj`` beside fused experts, into the experts' parameters, and refuses some.
        """
        return self._unadaptable(modules)

    def _find_unadaptable(self, modules: frozenset[str]) -> frozenset[str]:
        try:
            return modules - self._adapted(modules)
        except ValueError:  # it refuses one, and with it all: each kind is asked about alone
            kinds = {name.rpartition(".")[2] for name in modules}
            return frozenset().union(*(self._without_kind(modules, kind) for kind in kinds))

    def _without_kind(self, modules: frozenset[str], kind: str) -> frozenset[str]:
        these = frozenset(name for name in modules if name.rpartition(".")[2] == kind)
        try:
            return these - self._adapted(these)
        except ValueError:
            return these

    def _adapted(self, modules: frozenset[str]) -> frozenset[str]:
        """Return the modules that PEFT makes layers for. Raises ValueError when it refuses one."""
        layers = lora_layers(inject(copy.deepcopy(self._base), LoraConfig(r=1, target_modules=sorted(modules))))
        return frozenset(name for name, layer in layers.items() if not isinstance(layer, ParamWrapper))

    def meaning(self, fields: LoraFields, modules: Sequence[str]) -> dict[str, Meaning]:
        """Inject the adapter's own ranks, alphas and patterns into the named modules, and read what PEFT made.

        `modules` are full names, so no pattern of the adapter chooses them. This takes 0.2 s for an 8B model, during
        which the interpreter lock is held; so answers are cached.
        """
        ranks, alphas = winning(fields.rank_pattern, modules), winning(fields.alpha_pattern, modules)
        found: dict[str, Meaning] = {}
        for part in in_parts(modules, len(ranks) + len(alphas)):
            here, there = winning(ranks, part), winning(alphas, part)
            found |= self._answer(
                _Question(
                    fields.r,
                    fields.lora_alpha,
                    fields.use_rslora,
                    tuple(here.items()),
                    tuple(there.items()),
                    tuple(part),
                )
            )
        return found

    def _inject(self, question: _Question) -> dict[str, Meaning]:
        config = LoraConfig(
            r=question.r,
            lora_alpha=question.lora_alpha,
            use_rslora=question.use_rslora,
            rank_pattern=dict(question.ranks),
            alpha_pattern=dict(question.alphas),
            target_modules=list(question.modules),
        )
        return {name: _read(layer) for name, layer in lora_layers(inject(copy.deepcopy(self._base), config)).items()}

    def expected(self, fields: LoraFields) -> frozenset[str] | None:
        """Return the modules that the configuration targets, by PEFT's own rule; None when it has a pattern for them.

        A pattern in `exclude_modules` is not evaluated: what it excludes is among them.
        """
        if fields.target_modules is None:
            return None
        candidates = [slot.module for slot in self.slots] + list(self.uncovered)
        rule = SimpleNamespace(
            target_modules=relevant_names(fields.target_modules, candidates),
            exclude_modules=relevant_names(fields.exclude_modules or (), candidates),
            layers_to_transform=frozenset(fields.layers_to_transform) or None,
            layers_pattern=list(fields.layers_pattern) or None,
        )
        return frozenset(name for name in candidates if check_target_module_exists(rule, name) is True)


def inject(model: nn.Module, config: LoraConfig, *, empty: bool = False) -> nn.Module:
    """Inject LoRA layers in place, in the base's own dtype. PEFT corrects `fan_in_fan_out` for Conv1D by itself.

    With `empty` their weights stay on the meta device, so that none are drawn. Legal only while no other thread makes
    modules: while it runs, PEFT changes how every module gets its parameters.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of exactly that correction
        inject_adapter_in_model(config, model, adapter_name=NAME, low_cpu_mem_usage=empty)
    return model


def lora_layers(model: nn.Module) -> dict[str, Any]:
    """Find the injected layers by full module name."""
    return {name: module for name, module in model.named_modules() if isinstance(module, LoraLayer)}


def _read(layer: Any) -> Meaning:
    return Meaning(
        rank=int(layer.r[NAME]),
        scaling=float(layer.scaling[NAME]),
        a_shape=tuple(layer.lora_A[NAME].weight.shape),
        b_shape=tuple(layer.lora_B[NAME].weight.shape),
    )
