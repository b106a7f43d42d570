"""A base without its weights: its configuration and its modules, and whether its family can be served at all."""

import inspect
import json
from collections.abc import Collection

from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

from hotswapd.swap.adapter.families import auto_class, beside_language
from hotswapd.swap.adapter.oracle import MetaOracle
from hotswapd.swap.errors import BaseUnservable

from .base import base_config
from .quantization import require_quantizable
from .spec import ResidentSpec

_PAGED = "paged|"
"""What the names of attentions begin with that only run in transformers' own batches."""
_KNOWN_NOT_TO = frozenset({"got_ocr2", "pp_chart2table", "shieldgemma2", "video_llama_3"})
"""Families of which a loop has given other answers than the model alone, without the trial at the start noticing."""
_BERTS = frozenset({"big_bird", "megatron-bert", "rembert", "roformer"})
"""Kin of BERT whose modules do not say that their attention sees what follows."""
_OTHER = "serve a base of another family, such as Llama, Qwen3 or Gemma-3"
_LEAVE_OUT = "leave model.target_modules out, for all modules that PEFT takes"


def outline(spec: ResidentSpec) -> tuple[PretrainedConfig, MetaOracle]:
    """Read the base's configuration and make its modules on the meta device.

    Raises BaseUnusable if it cannot be read, BaseUnservable if a base like this is never served.
    """
    config = base_config(spec.base, spec.revision, trust_remote_code=spec.trust_remote_code)
    _require_causal(spec, config)
    require_quantizable(spec.base, spec.quantization, config)
    oracle = _oracle(spec, config)
    why = obstacle(oracle.base)
    if why:
        raise _unservable(spec, f"{config.model_type} {why}", _OTHER)
    if spec.attn_implementation.startswith(_PAGED):
        named = f"model.attn_implementation: {spec.attn_implementation!r}"
        raise BaseUnservable(f"{named} only runs in transformers' own batches; use 'sdpa'")
    _require_adaptable(spec, oracle)
    return config, oracle


def obstacle(base: nn.Module) -> str:
    """Return why no loop at all can serve a model like this, as the end of a sentence; empty if one can."""
    if not isinstance(base, PreTrainedModel):
        return "is not a model of transformers"
    text = base.config.get_text_config()
    if base.config.is_encoder_decoder or text.is_encoder_decoder or _has_two_stacks(text):
        return "is an encoder with a decoder, so that it does not go on with a text but answers it with another"
    if not base.can_generate():
        return "cannot generate text"
    needed = _needed_beside_text(base)
    if needed:
        return f"needs {needed} with every text, so that its language model cannot answer text alone"
    if base.config.model_type in _KNOWN_NOT_TO:
        return "answers in a loop with another text than by itself"
    if _is_encoder(base, beside_language(base)):
        return "is an encoder: its attention sees what follows, too"
    return ""


def _has_two_stacks(text: PretrainedConfig) -> bool:
    """Tell whether it is Bart or one of its kin, whose decoder can be loaded alone, and is of no use alone."""
    return all(hasattr(text, f"{stack}_layers") for stack in ("encoder", "decoder"))


def _needed_beside_text(base: nn.Module) -> str:
    """Name what its forward pass cannot do without, such as ``pixel_values``; empty if text is enough."""
    parameters = list(inspect.signature(base.forward).parameters.values())
    needed = [one.name for one in parameters if one.default is one.empty and one.kind == one.POSITIONAL_OR_KEYWORD]
    return " and ".join(name for name in needed if name != "input_ids")


def _is_encoder(base: PreTrainedModel, beside: Collection[str]) -> bool:
    if base.config.model_type in _BERTS and not base.config.is_decoder:
        return True
    modules = [module for name, module in base.named_modules() if name not in beside]
    return {flag for module in modules if (flag := getattr(module, "is_causal", None)) is not None} == {False}


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
    """Refuse named slots that PEFT would not make: it turns some names into the fused parameters of experts."""
    slots = frozenset(slot.module for slot in oracle.slots)
    without = oracle.unadaptable(slots) if slots else slots
    if not without:
        return
    good = {name.rpartition(".")[2] for name in slots} - {name.rpartition(".")[2] for name in without}
    remedy = f"set model.target_modules = {json.dumps(sorted(good))}" if good else _LEAVE_OUT
    why = f"PEFT makes no LoRA layer of its own for {len(without)} of its modules, e.g. {min(without)}"
    raise _unservable(spec, why, remedy)


def _unservable(spec: ResidentSpec, why: str, remedy: str) -> BaseUnservable:
    return BaseUnservable(f"model.base: {spec.base!r} cannot be served: {why}; {remedy}")


def _first(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["no reason given"])[0]
