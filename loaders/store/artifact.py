"""What the store keeps under a digest."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Artifact:
    """An adapter in the store: an immutable directory with `adapter_config.json` and
    `adapter_model.safetensors`. `digest` is the SHA-256 (hex) over config bytes, then weights bytes.

    `together` is the set that it was copied as a member of, as its manifest says; empty if of none.
    """

    path: Path
    digest: str
    size: int
    together: str = field(default="", compare=False)
