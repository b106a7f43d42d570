"""Asks the base without its weights, and PEFT: this imports both, which takes seconds."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import torch
from peft import LoraConfig

from hotswapd.daemon.config.tables import Admission, Model
from hotswapd.swap.adapter.admission import Plan, admit
from hotswapd.swap.adapter.manifest import Manifest
from hotswapd.swap.adapter.remembered import Recorder
from hotswapd.swap.adapter.slots import require_slots
from hotswapd.swap.berths.filling import fill_host_image
from hotswapd.swap.berths.layout import Layout
from hotswapd.swap.resident.base import choose_dtype
from hotswapd.swap.resident.outline import outline
from hotswapd.swap.resident.spec import ResidentSpec

from .contracts import contract_of
from .memory import remember


def peft_defaults() -> dict[str, Any]:
    """Return what a field of the configuration means that is not there."""
    defaults = LoraConfig().to_dict()
    remember(None, {"defaults": defaults})
    return dict(defaults)


def compare(manifest: Manifest, model: Model, admission: Admission, known: Mapping[str, Any]) -> Plan:
    """Do what the daemon does up to the host's memory. Raises Rejected, BaseUnusable or NoSlots.

    What the base and PEFT say is remembered, beside the answers that were `known`.
    """
    config, oracle = outline(_spec(model))
    require_slots(oracle.slots, model.target_modules, oracle.linear)
    # The daemon may run on another device than this machine has; if none is set, the stricter dtype counts.
    dtype = choose_dtype(model.dtype, config, torch.device("cpu" if model.device == "cpu" else "cuda"))
    contract = contract_of(model, admission, oracle.slots, str(dtype).removeprefix("torch."))
    recorder = Recorder(oracle, known.get("answers"))
    try:
        plan = admit(manifest, contract, recorder)
    finally:
        with suppress(TypeError, ValueError):  # then nothing is remembered
            remember(model, {"dtype": contract.dtype, **recorder.facts()})
    layout = Layout.of(contract, dtype)
    fill_host_image(torch.empty(layout.size, dtype=torch.uint8), plan, layout)
    return plan


def _spec(model: Model) -> ResidentSpec:
    return ResidentSpec(
        base=model.base,
        revision=model.revision,
        target_modules=model.target_modules,
        attn_implementation=model.attn_implementation,
        trust_remote_code=model.trust_remote_code,
        quantization=model.quantization,
    )
