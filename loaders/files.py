"""TODO loaders/files.py."""

import re
from typing import Literal

MANIFEST = "hotswapd_manifest.json"


MAX_CONFIG_BYTES = 256 << 10


CONFIG: Literal["adapter_config.json"] = "adapter_config.json"


WEIGHTS: Literal["adapter_model.safetensors"] = "adapter_model.safetensors"


FileName = Literal["adapter_config.json", "adapter_model.safetensors"]


MAX_DEPTH = 4


PICKLE = "adapter_model.bin"


# What copying tools and editors leave while they work, and what a mounted ConfigMap keeps for itself.
_PASSING = re.compile(r"\..*|.*\.(tmp|part).*|.*\.incomplete|.*~|.*\.[0-9a-f]{8}|lost\+found", re.DOTALL)


def passing(name: str) -> bool:
    """Say whether a directory name is hidden or temporary."""
    return _PASSING.fullmatch(name) is not None
