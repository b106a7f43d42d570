"""The size of a module's weight, also where it is stored in few bits."""

from typing import Any

import torch
from peft.utils.integrations import dequantize_module_weight
from torch import nn


def weight_norm(module: nn.Module) -> float:
    """Measure the weight (Frobenius) as numbers; one that PEFT cannot turn back is measured as it is stored.

    Nothing of the module is changed. PEFT's own way changes an 8-bit module of bitsandbytes on a CPU so that its next
    step fails, and of a 4-bit one that has run on a CPU it returns the values in another order.
    """
    weight: Any = module.weight
    if type(weight).__name__ == "Int8Params":
        scales = getattr(getattr(module, "state", None), "SCB", None)
        rows = weight.data.float() * ((weight.SCB if scales is None else scales).to(weight.device).view(-1, 1) / 127)
        return float(rows.norm())
    try:
        plain: torch.Tensor = dequantize_module_weight(module)
    except (TypeError, AttributeError, ValueError):
        plain = weight
    return float(plain.float().norm())
