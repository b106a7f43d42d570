"""What a user of PEFT or transformers would do instead, each way on its own model that shares the base's weights."""

import copy
import json
import time
import warnings
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel
from peft.utils.hotswap import hotswap_adapter, hotswap_adapter_from_state_dict
from safetensors.torch import load_file

from .scene import CONFIG, WEIGHTS

NAME = "default"


def twin(model: Any) -> Any:
    """Copy a model without its weights: both have the same parameters and buffers."""
    shared = {id(one): one for one in [*model.parameters(), *model.buffers()]}
    return copy.deepcopy(model, shared)


def ways(model: Any, adapters: tuple[Path, Path], synchronize: Callable[[], None]) -> dict[str, Callable[[], float]]:
    """Return each way: a function that swaps to the other adapter once and returns the seconds it took."""
    makers = {
        "peft_disk": _from_disk,
        "peft_tensors": _from_tensors,
        "peft_reload": _reload,
        "transformers": _transformers,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {name: _timed(make(twin(model), adapters), synchronize) for name, make in makers.items()}


def _timed(swap: Callable[[], Callable[[], object]], synchronize: Callable[[], None]) -> Callable[[], float]:
    def once() -> float:
        ready = swap()
        synchronize()
        began = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ready()
        synchronize()
        return time.perf_counter() - began

    return once


def peft_model(model: Any, adapter: Path) -> Any:
    """Load an adapter as PEFT's users do, in the base's dtype."""
    return PeftModel.from_pretrained(model, adapter, autocast_adapter_dtype=False).eval()


def _from_disk(model: Any, adapters: tuple[Path, Path]) -> Callable[[], Callable[[], object]]:
    loaded, others = peft_model(model, adapters[0]), cycle(reversed(adapters))
    device = str(model.device)

    def swap() -> Callable[[], object]:
        adapter = str(next(others))
        return lambda: hotswap_adapter(loaded, adapter, NAME, torch_device=device)

    return swap


def _from_tensors(model: Any, adapters: tuple[Path, Path]) -> Callable[[], Callable[[], object]]:
    loaded = peft_model(model, adapters[0])
    held = [tensors(adapter, model.device) for adapter in adapters]
    config = LoraConfig(**lora_fields(adapters[0]))
    others = cycle(reversed(held))

    def swap() -> Callable[[], object]:
        tensors = dict(next(others))
        return lambda: hotswap_adapter_from_state_dict(loaded, tensors, NAME, config)

    return swap


def _reload(model: Any, adapters: tuple[Path, Path]) -> Callable[[], Callable[[], object]]:
    loaded, others = peft_model(model, adapters[0]), cycle(reversed(adapters))

    def again(adapter: str) -> None:
        loaded.delete_adapter(NAME)
        loaded.load_adapter(adapter, NAME, autocast_adapter_dtype=False)
        loaded.set_adapter(NAME)

    def swap() -> Callable[[], object]:
        adapter = str(next(others))
        return lambda: again(adapter)

    return swap


def _transformers(model: Any, adapters: tuple[Path, Path]) -> Callable[[], Callable[[], object]]:
    model.enable_peft_hotswap(target_rank=int(lora_fields(adapters[0])["r"]))
    model.load_adapter(str(adapters[0]), adapter_name=NAME)
    others = cycle(reversed(adapters))

    def swap() -> Callable[[], object]:
        adapter = str(next(others))
        return lambda: model.load_adapter(adapter, adapter_name=NAME, hotswap=True)

    return swap


def tensors(adapter: Path, device: torch.device) -> dict[str, torch.Tensor]:
    """Read the tensors under the names that PEFT's function expects."""
    read = load_file(adapter / WEIGHTS, device=str(device))
    return {name.replace(".weight", f".{NAME}.weight"): tensor.clone() for name, tensor in read.items()}


def lora_fields(adapter: Path) -> dict[str, Any]:
    """Return the fields of an adapter's configuration that PEFT needs."""
    fields: dict[str, Any] = json.loads((adapter / CONFIG).read_text())
    return {name: fields[name] for name in ("r", "lora_alpha", "target_modules", "task_type")}
