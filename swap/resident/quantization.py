"""Quantised bases: those that come with a ``quantization_config``, and those that are quantised while they are loaded.

They are loaded as PEFT's users load them. The packages are optional: without one of them a base is refused before
anything is loaded.
"""

from importlib.util import find_spec
from typing import Any

import torch
from transformers import BitsAndBytesConfig, PretrainedConfig, TorchAoConfig

from hotswapd.swap.errors import BaseUnservable

from .spec import Quantization

_NEEDS = {"bnb-4bit": "bitsandbytes", "bnb-8bit": "bitsandbytes", "torchao-int8": "torchao"}
_PACKAGES = {
    "bitsandbytes": "bitsandbytes",
    "torchao": "torchao",
    "gptq": "gptqmodel",
    "awq": "gptqmodel",
    "aqlm": "aqlm",
    "hqq": "hqq",
    "eetq": "kernels",
    "mxfp4": "kernels",
    "compressed-tensors": "compressed_tensors",
    "auto-round": "auto_round",
}
"""The module that a method of quantisation cannot do without, by its name in ``quantization_config``."""


def own_method(config: PretrainedConfig) -> str:
    """Name the method by which a base is quantised already; empty if it is not."""
    own: Any = getattr(config, "quantization_config", None)
    if own is None:
        return ""
    found = own.get("quant_method", "") if isinstance(own, dict) else getattr(own, "quant_method", "")
    method = str(getattr(found, "value", found))
    return "bitsandbytes" if method.startswith("bitsandbytes") else method or "unknown"


def require_quantizable(base: str, wanted: Quantization, config: PretrainedConfig) -> None:
    """Raise BaseUnservable if a base cannot be quantised as asked, or a package is missing."""
    own = own_method(config)
    if own and wanted != "none":
        raise BaseUnservable(
            f"model.quantization: {base!r} is quantised already, by {own}: leave model.quantization out, or serve the "
            "base that it was made of"
        )
    package = _PACKAGES.get(own) if own else _NEEDS.get(wanted)
    if package is not None and find_spec(package) is None:
        what = f"model.base: {base!r} is quantised by {own}, which" if own else f"model.quantization: {wanted!r}"
        raise BaseUnservable(f"{what} needs the package {package}, which is not installed: pip install {package}")


def quantization_config(wanted: Quantization, dtype: torch.dtype) -> Any:
    """Return the configuration to load a base with; None if it is not to be quantised. `dtype` is that of computing."""
    if wanted == "bnb-4bit":
        return BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
        )
    if wanted == "bnb-8bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    if wanted == "torchao-int8":
        from torchao.quantization import Int8WeightOnlyConfig  # optional: `require_quantizable` has looked for it

        return TorchAoConfig(Int8WeightOnlyConfig())
    return None


def bits(wanted: Quantization, config: PretrainedConfig) -> int:
    """Return about how many bits a weight of a Linear takes; 0 if that is as many as the dtype has."""
    method = wanted if wanted != "none" else own_method(config)
    own: Any = getattr(config, "quantization_config", None) or {}
    said = own.get("bits") or own.get("w_bit") if isinstance(own, dict) else getattr(own, "bits", None)
    four = method in {"bnb-4bit", "mxfp4"} or (isinstance(own, dict) and bool(own.get("load_in_4bit")))
    return 0 if not method else int(said or (4 if four else 8))
