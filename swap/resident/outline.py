"""A base without its weights: its configuration and its modules, and whether its family can be served at all."""

import inspect
import json
from collections.abc import Collection

from torch import nn
from transformers import PretrainedConfig, PreTrainedModel
from transformers.generation.continuous_batching.utils import find_head_dim

from hotswapd.swap.adapter.families import auto_class, beside_language
from hotswapd.swap.adapter.oracle import MetaOracle
from hotswapd.swap.errors import BaseUnservable

from .base import ResidentSpec, base_config
from .quantization import require_quantizable

_PAGED = frozenset({"full_attention", "sliding_attention"})
"""The kinds of layers that the lanes' paged cache knows."""
_ONE_USE = ("eager", "paged|eager")
"""Attentions whose form for lanes runs in lanes only, so that nothing could verify with them."""
_KNOWN_NOT_TO = frozenset(
    {"diffllama", "doge", "gpt_bigcode", "hrm_text", "jetmoe", "laguna", "nemotron", "shieldgemma2"}
)
"""Families that say they can take part in paged batching and cannot: it fails, or answers something else."""
_OTHER = "serve a base of another family, such as Llama, Qwen3 or Gemma-3"
_NAME_THE_MODULES = "name the modules that it takes in model.target_modules"


def outline(spec: ResidentSpec) -> tuple[PretrainedConfig, MetaOracle]:
    """Read the base's configuration and make its modules on the meta device.

    Raises BaseUnusable if it cannot be read, BaseUnservable if a base like this is never served.
    """
    config = base_config(spec.base, spec.revision, trust_remote_code=spec.trust_remote_code)
    _require_causal(spec, config)
    require_quantizable(spec.base, spec.quantization, config)
    oracle = _oracle(spec, config)
    why = obstacle(oracle.base) or needs_plain(oracle.base, spec.attn_implementation)
    if why:
        raise _unservable(spec, f"{config.model_type} {why}", _OTHER)
    if spec.attn_implementation in _ONE_USE:
        raise BaseUnservable(
            f"model.attn_implementation: {spec.attn_implementation!r} cannot both serve and verify; use 'sdpa'"
        )
    _require_adaptable(spec, oracle)
    return config, oracle


def obstacle(base: nn.Module) -> str:
    """Return why no loop at all can serve a model like this, as the end of a sentence; empty if one can."""
    if not isinstance(base, PreTrainedModel):
        return "is not a model of transformers"
    text = base.config.get_text_config()
    if base.config.is_encoder_decoder or text.is_encoder_decoder:
        return "is an encoder with a decoder, so that it does not go on with a text but answers it with another"
    if not base.can_generate():
        return "cannot generate text"
    needed = _needed_beside_text(base)
    if needed:
        return f"needs {needed} with every text, so that its language model cannot answer text alone"
    if _is_encoder(base, beside_language(base)):
        return "is an encoder: its attention sees what follows, too"
    return ""


def needs_plain(base: PreTrainedModel, attention: str) -> str:
    """Return why paged batching cannot serve a model like this, as the end of a sentence; empty if it can.

    Its own cache can, in a plain loop.
    """
    text = base.config.get_text_config()
    strange = sorted(set(getattr(text, "layer_types", None) or ()) - _PAGED)
    if strange or base._is_stateful:
        what = " and ".join(strange) or "recurrent layers"
        return f"has layers ({what}) whose state the lanes' paged cache of keys and values cannot hold"
    if attention == "sdpa" and not base._supports_sdpa:
        return f"computes its attention {_own_way(text)}, and transformers has no SDPA for that"
    if not base._supports_attention_backend or base.config.model_type in _KNOWN_NOT_TO:
        return "computes its attention by code of its own, which the lanes' paged cache cannot take part in"
    if len(_head_widths(base)) > 1 or _has_odd_widths(text):
        return "keeps keys and values of different widths, and the lanes' paged cache has one"
    return ""


def _own_way(text: PretrainedConfig) -> str:
    if getattr(text, "attn_logit_softcapping", None):
        return "with soft-capped scores (attn_logit_softcapping)"
    return "in a way of its own, such as with sinks or position biases"


def _needed_beside_text(base: nn.Module) -> str:
    """Name what its forward pass cannot do without, such as ``pixel_values``; empty if text is enough."""
    parameters = list(inspect.signature(base.forward).parameters.values())
    needed = [one.name for one in parameters if one.default is one.empty and one.kind == one.POSITIONAL_OR_KEYWORD]
    return " and ".join(name for name in needed if name != "input_ids")


def _is_encoder(base: nn.Module, beside: Collection[str]) -> bool:
    modules = [module for name, module in base.named_modules() if name not in beside]
    return {flag for module in modules if (flag := getattr(module, "is_causal", None)) is not None} == {False}


def _head_widths(base: nn.Module) -> frozenset[int]:
    """Return how wide a head is in each layer of the language model; a family may have layers of several widths."""
    beside = beside_language(base)
    layers = [module for name, module in base.named_modules() if name not in beside]
    return frozenset(int(width) for layer in layers if (width := getattr(layer, "head_dim", None)))


def _has_odd_widths(text: PretrainedConfig) -> bool:
    """Tell whether it has latent attention whose keys and values are not both as wide as the cache."""
    nope: int | None = getattr(text, "qk_nope_head_dim", None)
    if nope is None:
        return False
    widths = {nope + text.qk_rope_head_dim, text.v_head_dim, find_head_dim(text)}
    return len(widths) > 1


def _require_causal(spec: ResidentSpec, config: PretrainedConfig) -> None:
    if auto_class(config, trust_remote_code=spec.trust_remote_code) is not None:
        return
    why = f"{config.model_type} is not a causal language model that transformers loads"
    raise _unservable(spec, why, "serve a base that is one, and train its adapters on that")


def _oracle(spec: ResidentSpec, config: PretrainedConfig) -> MetaOracle:
    try:
        oracle = MetaOracle(config, spec.target_modules, trust_remote_code=spec.trust_remote_code)
        config.get_text_config()
    except Exception as error:  # a family's own code may raise anything over an odd configuration
        why = f"its modules cannot be made: {type(error).__name__}: {_first(error)}"
        raise _unservable(spec, why, "correct its config.json, or serve another base") from error
    return oracle


def _require_adaptable(spec: ResidentSpec, oracle: MetaOracle) -> None:
    """Refuse slots that PEFT would not make: it turns some names into the fused parameters of experts."""
    slots = frozenset(slot.module for slot in oracle.slots)
    try:
        without = oracle.unadaptable(slots) if slots else slots
    except ValueError as error:
        raise _unservable(spec, f"PEFT refuses its modules: {_first(error)}", _NAME_THE_MODULES) from error
    if not without:
        return
    good = {name.rpartition(".")[2] for name in slots} - {name.rpartition(".")[2] for name in without}
    remedy = f"set model.target_modules = {json.dumps(sorted(good))}" if good else _OTHER
    why = f"PEFT makes no LoRA layer of its own for {len(without)} of its modules, e.g. {min(without)}"
    raise _unservable(spec, why, remedy)


def _unservable(spec: ResidentSpec, why: str, remedy: str) -> BaseUnservable:
    return BaseUnservable(f"model.base: {spec.base!r} cannot be served: {why}; {remedy}")


def _first(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["no reason given"])[0]
