"""Loads the base model: where it runs, in which dtype, with which attention."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PretrainedConfig, PreTrainedModel

from hotswapd.swap.adapter.base_names import Names
from hotswapd.swap.adapter.families import auto_class, supports_sdpa
from hotswapd.swap.errors import BaseUnservable, BaseUnusable, DeviceMissing

from .fingerprint import base_fingerprint
from .quantization import Quantization, own_method, quantization_config

Report = Callable[[str], None]
"""Called with one sentence for each step of the start-up that takes time."""


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
        return AutoConfig.from_pretrained(base, trust_remote_code=trust_remote_code, **_where(base, revision))
    except Exception as error:  # a family checks its own fields, by whatever error it likes
        raise _unreadable(base, error) from error


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
            **_where(spec.base, spec.revision),
            **_packed(spec, config, dtype, device),
        )
    except (OSError, ValueError, ImportError, RuntimeError, LookupError, TypeError, SafetensorError) as error:
        raise BaseUnusable(f"model.base: {spec.base!r} cannot be loaded: {_first_line(error)}") from error
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


def load_tokenizer(spec: ResidentSpec) -> Any:
    """Load the base's tokenizer, None if it has none. Raises BaseUnusable if it needs code that may not be run."""
    try:
        return AutoTokenizer.from_pretrained(
            spec.base, trust_remote_code=spec.trust_remote_code, **_where(spec.base, spec.revision)
        )
    except ImportError as error:
        why = f"its tokenizer needs a package that is not installed: {_first_line(error)}"
        raise BaseUnusable(f"model.base: {spec.base!r} cannot be loaded: {why}") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        if _wants_code(error):
            raise _unreadable(spec.base, error) from error
        return None  # a base without a tokenizer still answers prompts of token ids


def _unreadable(base: str, error: Exception) -> BaseUnusable:
    if _wants_code(error):
        return BaseUnservable(
            f"model.base: {base!r} needs Python code of its own, which is not run: serve a base that transformers "
            "knows, or read that code and set model.trust_remote_code = true"
        )
    return BaseUnusable(f"model.base: {base!r} cannot be read: {_first_line(error)}")


def _wants_code(error: Exception) -> bool:
    """Tell transformers' refusal to run a repository's code from its other errors, which are of the same class."""
    return isinstance(error, ValueError) and "trust_remote_code=True" in str(error)


def _where(base: str, revision: str) -> dict[str, Any]:
    """Return the revision as an argument, which a local directory does not have."""
    return {} if os.path.isdir(Path(base)) else {"revision": revision}  # noqa: PTH112 - Path.is_dir raises on odd names


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
