"""Where a base runs and in which dtype."""

import json
from pathlib import Path

import pytest
import torch
from kits.families import save_small
from transformers import LlamaConfig

from hotswapd.swap.errors import BaseUnservable, DeviceMissing
from hotswapd.swap.resident.base import choose_device, choose_dtype, load_base
from hotswapd.swap.resident.outline import outline
from hotswapd.swap.resident.spec import ResidentSpec

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize(
    ("wanted", "device", "dtype"),
    [
        ("auto", CPU, torch.float32),
        ("auto", CUDA, torch.bfloat16),
        ("float16", CPU, torch.float16),
        ("float32", CUDA, torch.float32),
    ],
)
def test_auto_is_the_checkpoints_dtype_on_a_gpu(wanted: str, device: torch.device, dtype: torch.dtype) -> None:
    """On a CPU it is float32, and what is named is taken."""
    assert choose_dtype(wanted, LlamaConfig(dtype=torch.bfloat16), device) == dtype


def test_a_missing_device_is_never_a_cpu() -> None:
    """The sentence names the setting."""
    assert choose_device("cpu") == CPU
    with pytest.raises(DeviceMissing, match=r"model\.device is 'cuda:99'"):
        choose_device("cuda:99")


@pytest.mark.parametrize(
    ("family", "wanted", "loaded"),
    [("llama", "sdpa", "sdpa"), ("llama", "eager", "eager"), ("gemma2", "sdpa", "eager"), ("gemma2", "eager", "eager")],
)
def test_a_family_without_sdpa_is_loaded_as_transformers_does(
    tmp_path: Path, family: str, wanted: str, loaded: str
) -> None:
    """Soft-capped scores have no SDPA; nobody has to say so."""
    spec = ResidentSpec(str(save_small(family, tmp_path)), attn_implementation=wanted, device="cpu")
    config, _ = outline(spec)
    assert load_base(spec, config).model.config._attn_implementation == loaded


def test_a_tokenizer_that_needs_code_ends_the_start(tmp_path: Path) -> None:
    """The base would be served without it, as one that has none: for token ids only. Its code is not run."""
    base = save_small("llama", tmp_path)
    needs = {"tokenizer_class": "XTokenizer", "auto_map": {"AutoTokenizer": ["tokenization_x.XTokenizer", None]}}
    (base / "tokenizer_config.json").write_text(json.dumps(needs))
    ran = tmp_path / "ran"
    (base / "tokenization_x.py").write_text(f"from pathlib import Path\nPath({str(ran)!r}).touch()\n")
    spec = ResidentSpec(str(base), device="cpu")
    config, _ = outline(spec)
    with pytest.raises(BaseUnservable, match=r"set model\.trust_remote_code = true"):
        load_base(spec, config)
    assert not ran.exists()
