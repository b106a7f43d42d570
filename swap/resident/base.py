"""Loads the base model: where it runs, in which dtype, with which attention."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForCausalLM, PretrainedConfig, PreTrainedModel

from hotswapd.swap.adapter.families import auto_class, supports_sdpa
from hotswapd.swap.errors import BaseUnusable, DeviceMissing, first_line

from .fingerprint import base_fingerprint
from .quantization import own_method, quantization_config
from .spec import ResidentSpec
from .tokenizer import load_tokenizer, unreadable, where

Report = Callable[[str], None]
"""Called with one sentence for each step of the start-up that takes time."""


@dataclass(frozen=True, slots=True)
class Base:
    """A loaded base. `tokenizer` is None where the model has none, `fingerprint` empty where nobody knows it."""

    model: PreTrainedModel
    tokenizer: Any
    device: torch.device
    dtype: torch.dtype
    fingerprint: str = ""


def base_config(base: str, revision: str = "main", *, trust_remote_code: bool = False) -> PretrainedConfig:
    """Read the base's configuration only. Raises BaseUnusable; never asks on a terminal whether code may be run."""
    try:
        return AutoConfig.from_pretrained(base, trust_remote_code=trust_remote_code, **where(base, revision))
    except Exception as error:  # a family checks its own fields, by whatever error it likes
        raise unreadable(base, error) from error


def load_base(spec: ResidentSpec, config: PretrainedConfig) -> Base:
    """Load weights and tokenizer onto the device. Raises BaseUnusable or DeviceMissing."""
    device = choose_device(spec.device)
    dtype = choose_dtype(spec.dtype, config, device)
    tokenizer = load_tokenizer(spec)  # before the weights: it may need code that may not be run
    try:
        model = _class_for(spec, config).from_pretrained(
            spec.base,
            config=config,
            dtype=dtype,
            attn_implementation=_attention(spec, config),
            trust_remote_code=spec.trust_remote_code,
            **where(spec.base, spec.revision),
            **_packed(spec, config, dtype, device),
        )
    except (OSError, ValueError, ImportError, RuntimeError, LookupError, TypeError, SafetensorError) as error:
        raise BaseUnusable(f"model.base: {spec.base!r} cannot be loaded: {first_line(error)}") from error
    model = model if _is_packed(spec, config) else model.to(device)
    return Base(model.eval(), tokenizer, device, dtype, base_fingerprint(spec.base, spec.revision))


def _class_for(spec: ResidentSpec, config: PretrainedConfig) -> Any:
    return auto_class(config, trust_remote_code=spec.trust_remote_code) or AutoModelForCausalLM


def _attention(spec: ResidentSpec, config: PretrainedConfig) -> str:
    """Return which attention to load with: a family that has no SDPA is loaded as transformers does by itself."""
    return "eager" if spec.attn_implementation == "sdpa" and not supports_sdpa(config) else spec.attn_implementation


def _is_packed(spec: ResidentSpec, config: PretrainedConfig) -> bool:
    return spec.quantization != "none" or bool(own_method(config))


def _packed(spec: ResidentSpec, config: PretrainedConfig, dtype: torch.dtype, device: torch.device) -> dict[str, Any]:
    """Return what a quantised model is loaded with: its packed weights cannot be moved once they are loaded."""
    if not _is_packed(spec, config):
        return {}
    wanted = quantization_config(spec.quantization, dtype)
    return {"device_map": {"": device}} | ({} if wanted is None else {"quantization_config": wanted})


def choose_device(wanted: str) -> torch.device:
    """Turn ``auto``, ``cpu``, ``cuda`` or ``cuda:N`` into a device of this machine. Raises DeviceMissing."""
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(wanted)
    if device.type == "cuda":
        there = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= there:
            raise DeviceMissing(f"model.device is {wanted!r}, but {there} CUDA devices are there; look at the driver")
    return device


def choose_dtype(wanted: str, config: PretrainedConfig, device: torch.device) -> torch.dtype:
    """Turn ``auto`` into the checkpoint's own dtype, or float32 on a CPU, where half precision is slower."""
    if wanted != "auto":
        return {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}[wanted]
    own = getattr(config, "dtype", None)
    return own if device.type == "cuda" and isinstance(own, torch.dtype) else torch.float32
