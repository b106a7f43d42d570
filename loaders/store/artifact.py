"""What the store keeps under a digest."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Artifact:
    """An adapter in the store: an immutable directory with `adapter_config.json` and
    `adapter_model.safetensors`. `digest` is the SHA-256 (hex) over config bytes, then weights bytes.
    """

    path: Path
    digest: str
    size: int
