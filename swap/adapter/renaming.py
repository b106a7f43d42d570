"""The names that an adapter's tensors have once PEFT has loaded them.

transformers has renamed the modules of some families over the years, most often of those that also see images, and
PEFT renames the tensors of older adapters while it loads them. What it makes of a name is asked of PEFT itself.
"""

from collections.abc import Iterable, Mapping, Sequence

import torch
from peft import LoraConfig
from peft.utils.transformers_weight_conversion import convert_peft_adapter_state_dict_for_transformers
from torch import nn

_MOST = 4096
"""Names that PEFT is asked about; it takes 0.3 ms each, and no model that it renames has so many modules."""
_ROUNDS = 4
"""How often PEFT is asked: of two names of one module it keeps one, so the other is asked about alone."""


def renamed(base: nn.Module, names: Iterable[str]) -> dict[str, str]:
    """Return what PEFT makes of each name of a LoRA tensor; it may make one of two.

    Names of experts are left out: PEFT would fuse those tensors, and no slot takes them.
    """
    left = [name for name in names if ".lora_" in name and ".experts." not in name][:_MOST]
    found: dict[str, str] = {}
    for _ in range(_ROUNDS):
        if left:
            found |= _ask(base, left)
            left = [name for name in left if name not in found]
    return found


def _ask(base: nn.Module, names: Sequence[str]) -> Mapping[str, str]:
    """Give PEFT tensors that are told apart by their sizes, on the meta device, and read what it calls them."""
    tensors = {name: torch.empty(size, device="meta") for size, name in enumerate(names)}
    made = convert_peft_adapter_state_dict_for_transformers(base, LoraConfig(), tensors)
    return {names[tensor.shape[0]]: name for name, tensor in made.items()}
