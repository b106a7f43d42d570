"""Real PEFT adapters for the tiny models, and every way in which one can be bad that the tests name."""

import hashlib
import json
import shutil
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM

from kits.families import auto
from kits.folders import CONFIG, WEIGHTS

ATTENTION = {
    "llama": ["q_proj", "v_proj"],
    "qwen3": ["q_proj", "v_proj"],
    "gemma3": ["q_proj", "v_proj"],
    "gpt2": ["c_attn", "c_fc"],
}
_LOADING = threading.Lock()
"""While `from_pretrained` runs, transformers has replaced methods of its own classes. Two at once put each other's
replacement back, and every later model of the process is left with weights on the meta device."""


def make_adapter(
    base: Path,
    out: Path,
    *,
    seed: int = 0,
    rank: int = 4,
    alpha: float = 8,
    targets: list[str] | str = "all-linear",
    scale: float = 0.3,
    dtype: torch.dtype = torch.float32,
    **fields: Any,
) -> Path:
    """Save a PEFT adapter whose B is not zero, so that it changes the answers; `fields` go to LoraConfig."""
    torch.manual_seed(1000 + seed)
    with _LOADING:
        model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    config = LoraConfig(r=rank, lora_alpha=alpha, target_modules=targets, task_type="CAUSAL_LM", **fields)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PEFT corrects fan_in_fan_out for GPT-2 and says so
        peft_model = get_peft_model(model, config)
    for name, parameter in peft_model.named_parameters():
        if "lora_" in name:
            parameter.data.normal_(0.0, scale)
            parameter.data = parameter.data.to(dtype)
    peft_model.save_pretrained(out)
    return out


def oracle_model(base: Path, adapter: Path | None, dtype: torch.dtype = torch.float32) -> Any:
    """Load base and adapter as any PEFT user would: what an accepted adapter means. Callable from any thread."""
    with _LOADING:
        model = auto(AutoConfig.from_pretrained(base)).from_pretrained(base, dtype=dtype, attn_implementation="sdpa")
    if adapter is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = PeftModel.from_pretrained(model, adapter)
    return model.eval()


def greedy(model: Any, prompt: list[int], tokens: int) -> list[int]:
    """Generate greedily with transformers' own generate; the end-of-text token is kept."""
    ids = torch.tensor([prompt])
    with torch.inference_mode():
        out = model.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=tokens, do_sample=False, pad_token_id=0
        )
    return [int(token) for token in out[0, len(prompt) :]]


def digest_of(adapter: Path) -> str:
    """Compute an adapter's identity without the daemon's code."""
    return hashlib.sha256((adapter / CONFIG).read_bytes() + (adapter / WEIGHTS).read_bytes()).hexdigest()


def logits(model: Any, prompt: list[int]) -> torch.Tensor:
    """Compute the logits (tokens, vocabulary) of one prompt."""
    with torch.inference_mode():
        found: torch.Tensor = model(input_ids=torch.tensor([prompt]), use_cache=False).logits[0].float()
        return found


def edit_config(**changes: Any) -> Callable[[Path], None]:
    """Make a change of the configuration: fields to set."""

    def change(adapter: Path) -> None:
        path = adapter / CONFIG
        config = json.loads(path.read_text())
        config.update(changes)
        path.write_text(json.dumps(config))

    return change


def edit_tensors(edit: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor] | None]) -> Callable[[Path], None]:
    """Make a change of the tensors: edit the dictionary in place, or return another."""

    def change(adapter: Path) -> None:
        tensors = load_file(adapter / WEIGHTS)
        tensors = edit(tensors) or tensors
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, adapter / WEIGHTS)

    return change


def _first(tensors: dict[str, torch.Tensor], side: str = "lora_A") -> str:
    return sorted(name for name in tensors if side in name)[0]


def _set(side: str, value: float) -> Callable[[dict[str, torch.Tensor]], None]:
    def edit(tensors: dict[str, torch.Tensor]) -> None:
        tensors[_first(tensors, side)].view(-1)[3] = value

    return edit


def _rename(old: str, new: str) -> Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]:
    return lambda tensors: {name.replace(old, new): tensor for name, tensor in tensors.items()}


def _half_the_layers(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor for name, tensor in tensors.items() if ".1." not in name}


def _cut_config(adapter: Path) -> None:
    (adapter / CONFIG).write_text("{")


def _cut(adapter: Path) -> None:
    path = adapter / WEIGHTS
    path.write_bytes(path.read_bytes()[:-100])


def _pickle(adapter: Path) -> None:
    (adapter / WEIGHTS).rename(adapter / "adapter_model.bin")


def _add(name: str, *shape: int) -> Callable[[dict[str, torch.Tensor]], None]:
    def edit(tensors: dict[str, torch.Tensor]) -> None:
        tensors[name] = torch.ones(*shape)

    return edit


def _wider(tensors: dict[str, torch.Tensor]) -> None:
    name = _first(tensors)
    tensors[name] = torch.ones(tensors[name].shape[0], tensors[name].shape[1] + 1)


def _double_rank(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {n: torch.cat([t, t], dim=0 if "lora_A" in n else 1) for n, t in tensors.items()}


def _drop_one_b(tensors: dict[str, torch.Tensor]) -> None:
    del tensors[_first(tensors, "lora_B")]


def _higher_rank(adapter: Path) -> None:
    edit_tensors(lambda t: {n: torch.cat([v] * 8, dim=0 if "lora_A" in n else 1) for n, v in t.items()})(adapter)
    edit_config(r=32)(adapter)


PREFIX = "base_model.model."

# How a good rank-4 adapter of the tiny Llama (on q_proj and v_proj) becomes a bad one, and the code of its refusal.
BAD: dict[str, tuple[Callable[[Path], None], str]] = {
    "nan": (edit_tensors(_set("lora_B", float("nan"))), "non_finite"),
    "inf": (edit_tensors(_set("lora_A", float("inf"))), "non_finite"),
    "truncated": (_cut, "header_length"),
    "empty": (edit_tensors(lambda tensors: tensors.clear()), "no_tensors"),
    "pickle": (_pickle, "pickle_refused"),
    "no_config": (lambda adapter: (adapter / CONFIG).unlink(), "config_missing"),
    "bad_json": (_cut_config, "config_not_json"),
    "rank_too_high": (_higher_rank, "rank_too_high"),
    "rank_not_the_tensors": (edit_config(r=2), "rank_mismatch"),
    "tensors_not_the_rank": (edit_tensors(_double_rank), "rank_mismatch"),
    "other_shape": (edit_tensors(_wider), "shape_mismatch"),
    "other_base": (edit_config(base_model_name_or_path="some/other-model"), "other_base"),
    "half_the_layers": (edit_tensors(_half_the_layers), "missing_tensors"),
    "no_b": (edit_tensors(_drop_one_b), "missing_pair"),
    "wrong_prefix": (edit_tensors(_rename(PREFIX, "")), "unknown_target"),
    "unknown_module": (edit_tensors(_rename("q_proj", "x_proj")), "unknown_target"),
    "base_weight": (edit_tensors(_add(PREFIX + "model.norm.weight", 48)), "base_weights"),
    "lm_head": (edit_tensors(_add(PREFIX + "lm_head.lora_A.weight", 4, 48)), "embeddings"),
    "float64": (edit_tensors(lambda t: {n: v.double() for n, v in t.items()}), "dtype_refused"),
    "int8": (edit_tensors(lambda t: {n: v.to(torch.int8) for n, v in t.items()}), "dtype_refused"),
    "dora": (edit_config(use_dora=True), "dora"),
    "pissa": (edit_config(init_lora_weights="pissa"), "init_changes_base"),
    "modules_to_save": (edit_config(modules_to_save=["lm_head"]), "modules_to_save"),
    "bias": (edit_config(bias="all"), "bias"),
    "not_lora": (edit_config(peft_type="IA3"), "not_lora"),
    "alpha_zero": (edit_config(lora_alpha=0), "bad_scaling"),
    "alpha_huge": (edit_config(lora_alpha=1e9), "bad_scaling"),
    "alpha_text": (edit_config(lora_alpha="16"), "bad_scaling"),
    "rank_zero": (edit_config(r=0), "bad_rank"),
    "regex_pattern": (edit_config(rank_pattern={"(a+)+$": 4}), "pattern_not_literal"),
    "unknown_field": (edit_config(surprise=1), "unknown_field"),
    "fan_in_fan_out": (edit_config(fan_in_fan_out=True), "fan_in_fan_out"),
}


def make_bad(good: Path, out: Path, name: str) -> Path:
    """Copy a good adapter and spoil it."""
    shutil.copytree(good, out)
    BAD[name][0](out)
    return out
