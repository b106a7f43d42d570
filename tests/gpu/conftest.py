"""These tests need a CUDA device: without one they are skipped, or fail where one was promised."""

import os

import pytest
import torch


@pytest.fixture(scope="session", autouse=True)
def cuda() -> None:
    if torch.cuda.is_available():
        return
    if os.environ.get("HOTSWAPD_REQUIRE_GPU") == "1":
        pytest.fail("HOTSWAPD_REQUIRE_GPU=1, and no CUDA device is there; look at nvidia-smi")
    pytest.skip("no CUDA device")
