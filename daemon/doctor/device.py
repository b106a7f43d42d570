"""The device and its driver."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import torch

from hotswapd.daemon.config.settings import Settings
from hotswapd.swap.errors import DeviceMissing
from hotswapd.swap.resident.base import choose_device

from .finding import Finding, fails, fine, note

_NAME = "device"
_DRIVER = Path("/proc/driver/nvidia/version")
_CARD = Path("/dev/nvidia0")
_VERSION = re.compile(r"\b\d{3}\.\d+(?:\.\d+)?\b")


def check_device(settings: Settings | None) -> Iterator[Finding]:
    """Find the device that the model would be loaded on; a missing GPU is a fault only if one was asked for."""
    wanted = settings.model.device if settings else "auto"
    try:
        device = choose_device(wanted)
    except DeviceMissing as error:
        yield fails(_NAME, str(error), 'look at nvidia-smi, or set model.device to "auto" or "cpu"')
        return
    if device.type == "cuda":
        yield fine(_NAME, _gpu(device))
        return
    yield fine(_NAME, f"the CPU, {len(os.sched_getaffinity(0))} cores, {torch.get_num_threads()} threads")
    if wanted == "auto" and _CARD.exists():
        yield note(_NAME, f"there is an NVIDIA card that torch {torch.__version__} cannot use", _remedy())


def _gpu(device: torch.device) -> str:
    about = torch.cuda.get_device_properties(device)
    driver = driver_version()
    return f"{about.name}, {about.total_memory / 2**30:.1f} GiB{f', driver {driver}' if driver else ''}"


def _remedy() -> str:
    if torch.version.cuda is None:
        return "this torch was built without CUDA: install one that was built with it"
    return (
        f"this torch needs a driver for CUDA {torch.version.cuda}; the driver here is {driver_version() or 'unknown'}"
    )


def driver_version(file: Path = _DRIVER) -> str:
    """Return the version of NVIDIA's kernel module, empty if there is none."""
    try:
        found = _VERSION.search(file.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return ""
    return found[0] if found else ""
