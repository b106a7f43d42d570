"""What was asked about a base once, so that it need not be loaded again to be asked the same. No torch.

PEFT's rule for ranks and factors without patterns is so plain that it is used for other numbers too, once PEFT has
given the same answers for this base as the rule.
"""

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, astuple
from typing import Any, TypeVar

from .config import LoraFields
from .contract import Slot
from .knowledge import Knowledge, Meaning

_PROBES = (LoraFields(r=7, lora_alpha=3.0), LoraFields(r=5, lora_alpha=11.0, use_rslora=True))
_SETS = ("linear", "embeddings", "beside", "parameters")
_LISTS = ("modules", "uncovered")
MOST_ANSWERS = 64
T = TypeVar("T")


class Unknown(Exception):
    """Nobody has asked this before: it must be asked of the base and of PEFT."""


class Remembered:
    """Answers as `Knowledge` from `facts`; raises Unknown where they do not say."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        """`facts` are those of a `Recorder`, perhaps out of a file. Raises LookupError, TypeError or ValueError."""
        self.slots: tuple[Slot, ...] = tuple(Slot(*slot) for slot in facts["slots"])
        self.linear, self.embeddings, self.beside, self.parameters = (frozenset(facts[name]) for name in _SETS)
        self.modules: tuple[str, ...]
        self.uncovered: tuple[str, ...]
        self.modules, self.uncovered = (tuple(facts[name]) for name in _LISTS)
        self.defaults: Mapping[str, Any] = facts["defaults"]
        self._plain = bool(facts["plain"])
        self._answers: Mapping[str, Any] = facts["answers"]

    def renamed(self, names: Iterable[str]) -> Mapping[str, str]:
        """Return what PEFT called these tensors."""
        return dict(self._recall("renamed", list(names)))

    def unadaptable(self, modules: frozenset[str]) -> frozenset[str]:
        """Name those that PEFT made no layer for."""
        return frozenset(self._recall("unadaptable", sorted(modules)))

    def meaning(self, fields: LoraFields, modules: Sequence[str]) -> Mapping[str, Meaning]:
        """Return what PEFT made of these modules, or would by its plain rule."""
        by_name = {slot.module: slot for slot in self.slots}
        if self._plain and not fields.rank_pattern and not fields.alpha_pattern and by_name.keys() >= set(modules):
            return {module: plain_meaning(fields, by_name[module]) for module in modules}
        found = self._recall("meaning", _numbers_of(fields), list(modules))
        return {module: Meaning(one[0], one[1], tuple(one[2]), tuple(one[3])) for module, one in found.items()}

    def expected(self, fields: LoraFields) -> frozenset[str] | None:
        """Return the modules that such a configuration targeted."""
        found = self._recall("expected", _targets_of(fields))
        return None if found is None else frozenset(found)

    def _recall(self, *question: Any) -> Any:
        try:
            return self._answers[_key(question)]
        except KeyError:
            raise Unknown(question[0]) from None


class Recorder:
    """Passes every question on, and keeps the answers."""

    def __init__(self, knowledge: Knowledge, answers: Mapping[str, Any] | None = None) -> None:
        """`answers` are those of an earlier time, under the same base and PEFT."""
        self._knowledge = knowledge
        self._answers: dict[str, Any] = dict(answers or {})
        self.slots, self.modules, self.uncovered = knowledge.slots, knowledge.modules, knowledge.uncovered
        self.linear, self.embeddings = knowledge.linear, knowledge.embeddings
        self.beside, self.parameters, self.defaults = knowledge.beside, knowledge.parameters, knowledge.defaults

    def renamed(self, names: Iterable[str]) -> Mapping[str, str]:
        """Ask, and keep the answer."""
        asked = list(names)
        return self._keep(self._knowledge.renamed(asked), dict, "renamed", asked)

    def unadaptable(self, modules: frozenset[str]) -> frozenset[str]:
        """Ask, and keep the answer."""
        return self._keep(self._knowledge.unadaptable(modules), sorted, "unadaptable", sorted(modules))

    def meaning(self, fields: LoraFields, modules: Sequence[str]) -> Mapping[str, Meaning]:
        """Ask, and keep the answer."""
        found = self._knowledge.meaning(fields, modules)
        return self._keep(found, _written, "meaning", _numbers_of(fields), list(modules))

    def expected(self, fields: LoraFields) -> frozenset[str] | None:
        """Ask, and keep the answer."""
        found = self._knowledge.expected(fields)
        return self._keep(found, lambda it: None if it is None else sorted(it), "expected", _targets_of(fields))

    def facts(self) -> dict[str, Any]:
        """Return all that is known now, as JSON holds it. Raises TypeError or ValueError if that is not possible."""
        facts: dict[str, Any] = {name: sorted(getattr(self, name)) for name in _SETS}
        facts |= {name: list(getattr(self, name)) for name in _LISTS}
        facts |= {"slots": [astuple(slot) for slot in self.slots], "defaults": dict(self.defaults)}
        facts |= {"plain": self._is_plain(), "answers": dict(list(self._answers.items())[-MOST_ANSWERS:])}
        read = json.loads(json.dumps(facts))
        if read["defaults"] != self.defaults:
            raise ValueError("PEFT's defaults are not what JSON makes of them")
        return dict(read)

    def _is_plain(self) -> bool:
        """Ask PEFT whether the rule holds for this base."""
        modules = [slot.module for slot in self.slots]
        ruled = [{slot.module: plain_meaning(fields, slot) for slot in self.slots} for fields in _PROBES]
        return ruled == [dict(self._knowledge.meaning(fields, modules)) for fields in _PROBES]

    def _keep(self, answer: T, write: Callable[[T], Any], *question: Any) -> T:
        key = _key(question)
        self._answers.pop(key, None)  # the newest is the last
        self._answers[key] = write(answer)
        return answer


def plain_meaning(fields: LoraFields, slot: Slot) -> Meaning:
    """Return what a module means without patterns."""
    scaling = fields.lora_alpha / (math.sqrt(fields.r) if fields.use_rslora else fields.r)
    return Meaning(fields.r, float(scaling), (fields.r, slot.inputs), (slot.outputs, fields.r))


def _written(meanings: Mapping[str, Meaning]) -> dict[str, Any]:
    return {module: astuple(one) for module, one in meanings.items()}


def _numbers_of(fields: LoraFields) -> list[Any]:
    patterns = (list(fields.rank_pattern.items()), list(fields.alpha_pattern.items()))
    return [fields.r, fields.lora_alpha, fields.use_rslora, *patterns]


def _targets_of(fields: LoraFields) -> dict[str, Any]:
    named = asdict(fields)
    names = ("target_modules", "exclude_modules", "layers_to_transform", "layers_pattern")
    return {name: named[name] for name in names}


def _key(question: Sequence[Any]) -> str:
    return hashlib.sha256(json.dumps(question).encode()).hexdigest()
