"""Small adapter directories made of plain bytes."""

import json
import struct
from pathlib import Path

from hotswapd.loaders.files import CONFIG, WEIGHTS

__all__ = ["CONFIG", "WEIGHTS", "weights", "write_folder"]


def weights(payload: bytes = b"\1\2\3\4") -> bytes:
    """Return a safetensors file with one tensor of bytes."""
    entry = {"dtype": "U8", "shape": [len(payload)], "data_offsets": [0, len(payload)]}
    header = json.dumps({"x.lora_A.weight": entry}).encode()
    return struct.pack("<Q", len(header)) + header + payload


def write_folder(directory: Path, payload: bytes = b"\1\2\3\4", config: bytes = b'{"r": 8}') -> Path:
    """Write an adapter directory in the order in which PEFT does."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / WEIGHTS).write_bytes(weights(payload))
    (directory / CONFIG).write_bytes(config)
    return directory
