"""Which class of transformers a base is loaded as, and which part of it is the language model."""

from collections.abc import Iterable
from typing import Any

from torch import nn
from transformers import (
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoModelForMultimodalLM,
    PretrainedConfig,
    PreTrainedModel,
)

_CLASSES = (AutoModelForCausalLM, AutoModelForImageTextToText, AutoModelForMultimodalLM)


def auto_class(config: PretrainedConfig, *, trust_remote_code: bool = False) -> Any:
    """Return the Auto class that loads a base like this, the causal one where there are several; None if none does.

    It decides what the modules are called, so it must be the one that PEFT's users load.
    """
    own = getattr(config, "auto_map", None) or {}
    for auto in _CLASSES:
        if type(config) in auto._model_mapping or (trust_remote_code and auto.__name__ in own):
            return auto
    return None


def supports_sdpa(config: PretrainedConfig) -> bool:
    """Tell whether transformers has SDPA for a base like this; one with code of its own is taken to have it."""
    auto = auto_class(config)
    model: Any = auto._model_mapping[type(config)] if auto is not None else None
    return bool(getattr(model, "_supports_sdpa", True))


def beside_language(model: nn.Module) -> frozenset[str]:
    """Return the modules that never run on text alone, such as a vision tower and its projector, with all in them."""
    if not isinstance(model, PreTrainedModel) or model.config.get_text_config() is model.config:
        return frozenset()
    kept = [model.get_decoder(), model.get_output_embeddings()]
    names = {name for name, module in model.named_modules() if any(module is one for one in kept)}
    if not names or "" in names:
        return frozenset()
    return frozenset(name for name, _ in model.named_modules() if name and not _touches(name, names))


def _touches(name: str, kept: Iterable[str]) -> bool:
    """Tell whether a module is one of these, in one of them, or around one."""
    return any(f"{name}.".startswith(f"{one}.") or one.startswith(f"{name}.") for one in kept)
