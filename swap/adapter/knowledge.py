"""What admission asks about a base and PEFT, whoever answers. No torch."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from .config import LoraFields
from .contract import Slot


@dataclass(frozen=True, slots=True)
class Meaning:
    """What PEFT makes of one module: A is (rank, inputs), B is (outputs, rank)."""

    rank: int
    scaling: float
    a_shape: tuple[int, ...]
    b_shape: tuple[int, ...]


class Knowledge(Protocol):
    """The base's modules by name, and PEFT's answers about them. `defaults` are those of PEFT's LoraConfig."""

    @property
    def slots(self) -> tuple[Slot, ...]:
        """The modules that carry a slot, in the model's order."""
        ...

    @property
    def linear(self) -> frozenset[str]:
        """The modules that could carry one."""
        ...

    @property
    def uncovered(self) -> tuple[str, ...]:
        """The modules of the language model that have matrices and no slot."""
        ...

    @property
    def embeddings(self) -> frozenset[str]:
        """The modules that turn tokens into vectors or back."""
        ...

    @property
    def beside(self) -> frozenset[str]:
        """The modules that never run on text alone."""
        ...

    @property
    def modules(self) -> tuple[str, ...]:
        """Every module."""
        ...

    @property
    def parameters(self) -> frozenset[str]:
        """Every parameter."""
        ...

    @property
    def defaults(self) -> Mapping[str, Any]:
        """What a field of the configuration means that is not there."""
        ...

    def renamed(self, names: Iterable[str]) -> Mapping[str, str]:
        """Return what PEFT calls these tensors once it has loaded them, as far as it is asked about them."""
        ...

    def unadaptable(self, modules: frozenset[str]) -> frozenset[str]:
        """Name those that PEFT makes no layer of their own for."""
        ...

    def meaning(self, fields: LoraFields, modules: Sequence[str]) -> Mapping[str, Meaning]:
        """Return what PEFT makes of these modules with the adapter's ranks, alphas and patterns."""
        ...

    def expected(self, fields: LoraFields) -> frozenset[str] | None:
        """Return the modules that the configuration targets; None when it has a pattern for them."""
        ...
