"""The contract: what the resident can take. Pure data, no torch."""

import hashlib
import json
from dataclasses import asdict, dataclass

from .base_names import Names


@dataclass(frozen=True, slots=True)
class Slot:
    """One module of the base that carries a LoRA slot; A is (max_rank, inputs), B is (outputs, max_rank)."""

    module: str
    inputs: int
    outputs: int
    conv1d: bool = False


@dataclass(frozen=True, slots=True)
class Contract:
    """What an adapter must meet.

    `base_models` are the names accepted in `base_model_name_or_path`, ``*`` for any, and `revision` is the base's.
    `names` tells how a name is compared with them, see `base_names`; `base_fingerprint` is empty if it is unknown.
    """

    base_models: tuple[str, ...]
    slots: tuple[Slot, ...]
    max_rank: int
    dtype: str
    revision: str = "main"
    names: Names = "family"
    base_fingerprint: str = ""

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) that changes whenever what is accepted may change."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()
