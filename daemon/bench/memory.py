"""How much memory is held now, by this process or on its device."""

import gc
import os
from pathlib import Path
from typing import Any

import torch


def held(device: torch.device) -> int:
    """Return bytes: what is allocated on a CUDA device, else the resident memory of this process."""
    gc.collect()
    if device.type == "cuda":
        return int(torch.cuda.memory_allocated(device))
    pages: Any = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
