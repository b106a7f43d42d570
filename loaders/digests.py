"""``hotswapd_manifest.json``: which bytes an adapter's two files must have, said by whoever published it.

``{"version": 1, "files": {"adapter_config.json": {"sha256": ..., "size": ...}, "adapter_model.safetensors": {...}}}``
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from .store import CONFIG, WEIGHTS

MANIFEST = "hotswapd_manifest.json"
MAX_MANIFEST_BYTES = 64 << 10
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


@dataclass(frozen=True, slots=True)
class Listed:
    """What one file must be: its SHA-256 in lower-case hex, and its size in bytes."""

    sha256: str
    size: int


def dump_digests(files: Mapping[str, Listed]) -> bytes:
    """Write the manifest; the same files always give the same bytes."""
    listed = {name: asdict(files[name]) for name in (CONFIG, WEIGHTS)}
    return json.dumps({"version": 1, "files": listed}, indent=1, sort_keys=True).encode() + b"\n"


def load_digests(raw: bytes) -> dict[str, Listed]:
    """Read the manifest's entries for the two files; others are ignored. Raises ValueError with half a sentence."""
    try:
        whole = json.loads(raw[: MAX_MANIFEST_BYTES + 1])
        if whole["version"] != 1:
            raise ValueError(f"is of version {whole['version']!r}, and only 1 is known")
        return {name: _listed(whole["files"][name]) for name in (CONFIG, WEIGHTS)}
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError("is no JSON") from error
    except (KeyError, TypeError) as error:
        raise ValueError(f"does not list {CONFIG} and {WEIGHTS} with their sha256 and size") from error


def _listed(raw: Mapping[str, object]) -> Listed:
    sha256, size = raw["sha256"], raw["size"]
    if not isinstance(sha256, str) or not _SHA256.match(sha256) or type(size) is not int or size < 0:
        raise TypeError
    return Listed(sha256, size)
