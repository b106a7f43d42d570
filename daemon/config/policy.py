"""What is refused may change with the contract or with the operator's policy: one digest over both."""

import hashlib
import json
from typing import Any

from hotswapd.swap.engine import Engine

from .settings import Settings


def policy_fingerprint(engine: Engine, settings: Settings) -> str:
    """Return a SHA-256 (hex) that changes when what is refused may change: the contract's, and the policy's."""
    policy: dict[str, Any] = {
        "contract": engine.resident.contract.fingerprint,
        "admission": settings.admission.model_dump(mode="json"),
        "verify": settings.verify.model_dump(mode="json"),
    }
    return hashlib.sha256(json.dumps(policy, sort_keys=True).encode()).hexdigest()
