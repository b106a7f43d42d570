"""What to keep resident, as it is configured. Imports no torch: an ingress describes a base that it does not load."""

from dataclasses import dataclass
from typing import Literal

from hotswapd.swap.adapter.base_names import Names

Quantization = Literal["none", "bnb-4bit", "bnb-8bit", "torchao-int8"]
"""How a base is quantised while it is loaded; ``none`` leaves it as it is, also if it is quantised already."""


@dataclass(frozen=True, slots=True)
class ResidentSpec:
    """What to keep resident; the fields are those of the configuration's [model] table.

    `base_models` are further names that adapters may give their base, and `base_names` tells how names are compared.
    `berths` is how many adapters there may be on the device at once.
    """

    base: str
    revision: str = "main"
    dtype: str = "auto"
    device: str = "auto"
    max_rank: int = 64
    target_modules: str | tuple[str, ...] = "all-linear"
    attn_implementation: str = "sdpa"
    base_models: tuple[str, ...] = ()
    berths: int = 4
    trust_remote_code: bool = False
    base_names: Names = "family"
    quantization: Quantization = "none"
