"""An independent judge of accepted adapters: a process of its own without any of our code.

`fuzz_checker.py BASE` reads one JSON object a line, `{"adapter": DIRECTORY, "meaning": {...}}`, and answers with a line
each: `{"bad": null}`, or why it is bad. safetensors' own loader must read the file; PEFT must load it on the CPU, with
the ranks, scalings and weights that were said, in these modules and in no other, and every one of them finite. One
thing it does not ask PEFT: what a pattern in `target_modules` or `exclude_modules` matches.
"""

import copy
import hashlib
import json
import math
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

PREFIX = "base_model.model."


def main() -> int:
    warnings.simplefilter("ignore")  # of fields that it ignores; what is missing is seen by what is compared
    torch.set_num_threads(1)
    base = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32).eval()
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            why = judge(base, Path(asked["adapter"]), asked["meaning"])
        except Exception as error:  # whatever either library raises makes it bad
            why = f"{type(error).__name__}: {error}"[:500]
        sys.stdout.write(json.dumps({"bad": why}) + "\n")
        sys.stdout.flush()
    return 0


def judge(base: Any, adapter: Path, meaning: dict[str, list[Any]]) -> str | None:
    """Return why it is bad, or None."""
    stored = load_file(adapter / "adapter_model.safetensors")
    _spell_out(adapter / "adapter_config.json", meaning)
    model = PeftModel.from_pretrained(copy.deepcopy(base), adapter, autocast_adapter_dtype=False).eval()
    layers = {
        name.removeprefix(PREFIX): module for name, module in model.named_modules() if isinstance(module, LoraLayer)
    }
    if layers.keys() != meaning.keys():
        return f"other modules: {sorted(layers.keys() ^ meaning.keys())[:4]}"
    if len(stored) != 2 * len(layers):
        return f"{len(stored)} tensors for {len(layers)} layers"
    wrong = [name for name, layer in layers.items() if _read(layer) != meaning[name]]
    if wrong:
        return f"{wrong[0]} is {_read(layers[wrong[0]])} and not {meaning[wrong[0]]}"
    endless = [name for name, layer in layers.items() if not _is_finite(layer)]
    return f"{endless[0]} is not finite" if endless else None


def _spell_out(path: Path, modules: Iterable[str]) -> None:
    """Put names in the place of a pattern: hotswapd never evaluates one, and takes the names from the file instead."""
    config = json.loads(path.read_bytes())
    if isinstance(config.get("target_modules"), str) or isinstance(config.get("exclude_modules"), str):
        path.write_text(json.dumps(config | {"target_modules": sorted(modules), "exclude_modules": None}))


def _read(layer: Any) -> list[Any]:
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    return [layer.r["default"], layer.scaling["default"], _digest(a), _digest(b)]


def _digest(weight: torch.Tensor) -> str:
    return hashlib.sha256(weight.detach().contiguous().numpy().tobytes()).hexdigest()


def _is_finite(layer: Any) -> bool:
    weights = (layer.lora_A["default"].weight, layer.lora_B["default"].weight)
    return math.isfinite(layer.scaling["default"]) and all(bool(weight.isfinite().all()) for weight in weights)


if __name__ == "__main__":
    sys.exit(main())
