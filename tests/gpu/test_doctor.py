"""`hotswapd doctor` where there is a GPU."""

import torch
from kits.doctors import only, settings

from hotswapd.daemon.doctor.device import check_device
from hotswapd.daemon.doctor.memory import free_bytes


def test_the_gpu_is_named_with_its_memory_and_its_driver() -> None:
    """Also when one was asked for."""
    for found in (check_device(None), check_device(settings(model={"base": "m", "device": "cuda"}))):
        said = only(found, "fine").sentence
        assert said.startswith(torch.cuda.get_device_name(0))
        assert "GiB" in said
    assert 0 < free_bytes(torch.device("cuda")) <= torch.cuda.get_device_properties(0).total_memory
