"""What earlier checks learnt of a base, in the user's cache: torch, transformers and PEFT take seconds to import.

A base is known again by its ``config.json``, the settings that decide its slots, and the versions of all that answered.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import hotswapd.swap.adapter
import hotswapd.swap.resident
from hotswapd.daemon.config.tables import Model

_SCHEMA = 1
_ASKED = ("hotswapd", "torch", "transformers", "peft", "safetensors")
_DECIDES = ("target_modules", "attn_implementation", "dtype", "device", "quantization")
_MOST_BYTES = 64 << 20


def recall(model: Model | None) -> dict[str, Any] | None:
    """Return what is known of a base, or without one of PEFT alone; None if nothing is. Never raises."""
    with suppress(OSError, ValueError, TypeError):
        path = _path(model)
        if path is not None and path.stat().st_size <= _MOST_BYTES:
            found = json.loads(path.read_bytes())
            return found if isinstance(found, dict) else None
    return None


def remember(model: Model | None, facts: Mapping[str, Any]) -> None:
    """Keep what is known; a cache that cannot be written costs the next check some seconds."""
    with suppress(OSError, ValueError, TypeError):
        path = _path(model)
        if path is None:
            return
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
            json.dump(facts, file)
        os.replace(file.name, path)  # noqa: PTH105 - one step, whoever else writes it


def _path(model: Model | None) -> Path | None:
    """Return where a base's facts lie; None for a base that may have changed without a sign here, or has code."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hotswapd" / "check"
    if model is None:
        return cache / f"{_digest(b'')}.json"
    config = Path(model.base) / "config.json"
    if model.trust_remote_code or not config.is_file():
        return None
    decides = json.dumps([str(getattr(model, name)) for name in _DECIDES])
    return cache / f"{_digest(config.read_bytes(), decides.encode())}.json"


def _digest(*parts: bytes) -> str:
    sha = hashlib.sha256(f"{_SCHEMA} {[version(name) for name in _ASKED]}".encode())
    for part in (*parts, *_own_code()):
        sha.update(hashlib.sha256(part).digest())
    return sha.hexdigest()


def _own_code() -> Iterator[bytes]:
    """Yield what changes whenever the code does that asked: a checkout has one version for long."""
    for package in (hotswapd.swap.adapter, hotswapd.swap.resident):
        for path in sorted(Path(package.__path__[0]).glob("*.py")):
            facts = path.stat()
            yield f"{path.name} {facts.st_size} {facts.st_mtime_ns}".encode()
