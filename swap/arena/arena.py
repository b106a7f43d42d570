"""The arena: one device buffer in which all LoRA weights and scalings of the resident live, as views."""

import hashlib

import torch
from peft import LoraConfig
from peft.utils.hotswap import prepare_model_for_compiled_hotswap
from torch import nn

from hotswapd.swap.adapter.contract import Contract
from hotswapd.swap.adapter.oracle import NAME, inject, lora_layers
from hotswapd.swap.errors import NoSlots

from .layout import Layout


class SlotArena:
    """The one place that the model reads its adapter from. It may be written in a turn only, see `writing`."""

    def __init__(self, model: nn.Module, contract: Contract, dtype: torch.dtype, device: torch.device) -> None:
        self.layout = Layout.of(contract, dtype)
        self.buffer = torch.zeros(self.layout.size, dtype=torch.uint8, device=device)
        _inject_slots(model, contract)
        self._rehome(model)

    def digest(self) -> str:
        """Return the SHA-256 (hex) of the whole arena; this copies it to the host, so it is for tests and alarms."""
        return hashlib.sha256(self.buffer.cpu().numpy().tobytes()).hexdigest()

    def _rehome(self, model: nn.Module) -> None:
        """Point every A, B and scaling at its place. The views keep their addresses as long as the model lives."""
        layers = lora_layers(model)
        for place in self.layout:
            layer = layers[place.slot.module]
            for side, part in ((layer.lora_A, place.a), (layer.lora_B, place.b)):
                side[NAME].weight = nn.Parameter(part.view(self.buffer), requires_grad=False)
            layer.scaling[NAME] = place.scaling.view(self.buffer)


def _inject_slots(model: nn.Module, contract: Contract) -> None:
    """Let PEFT inject its LoRA layers where the contract has slots, and turn their scalings into tensors."""
    names = [slot.module for slot in contract.slots]
    if not names:
        raise NoSlots("the base has no module that can carry a slot; see model.target_modules")
    config = LoraConfig(r=contract.max_rank, lora_alpha=contract.max_rank, target_modules=names)
    inject(model, config, empty=True)  # drawing weights that are replaced at once took seconds at a high rank
    got = set(lora_layers(model))
    if got != set(names):
        raise NoSlots(
            f"PEFT made layers for {len(got)} modules where {len(names)} were named; see model.target_modules"
        )
    prepare_model_for_compiled_hotswap(model, target_rank=contract.max_rank)
    model.requires_grad_(False)
    model.eval()
