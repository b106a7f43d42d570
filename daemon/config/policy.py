"""What is refused may change with the contract or with the operator's policy: one digest over both."""

import hashlib
import json
from typing import Any

from .settings import Settings


class Policy:
    """The fingerprint under which verdicts hold now. Read on any thread; `renew` is for the worker's."""

    def __init__(self, fingerprint: str = "") -> None:
        """Until the contract is known the fingerprint is empty, which no verdict has."""
        self._fingerprint = fingerprint

    @property
    def fingerprint(self) -> str:
        """A SHA-256 (hex) over contract and policy."""
        return self._fingerprint

    def renew(self, fingerprint: str) -> bool:
        """Judge by another one from now on; return whether it is another one."""
        changed = fingerprint != self._fingerprint
        self._fingerprint = fingerprint
        return changed


def policy_fingerprint(contract: str, settings: Settings) -> str:
    """Return a SHA-256 (hex) that changes when what is refused may change.

    `contract` is the fingerprint of what the engine can take.
    """
    policy: dict[str, Any] = {
        "contract": contract,
        "admission": settings.admission.model_dump(mode="json"),
        "verify": settings.verify.model_dump(mode="json"),
    }
    return hashlib.sha256(json.dumps(policy, sort_keys=True).encode()).hexdigest()
