"""Where a base runs and in which dtype."""

import pytest
import torch
from transformers import LlamaConfig

from hotswapd.swap.errors import DeviceMissing
from hotswapd.swap.resident.base import choose_device, choose_dtype

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
