"""What is refused may change with the contract or with the operator's policy: one digest over both."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from .settings import Settings


class Policy:
    """The fingerprints under which verdicts hold now. Read on any thread; `renew` is for the worker's."""

    def __init__(self, fingerprint: str = "", others: Mapping[str, str] | None = None) -> None:
        """Until the contract is known the fingerprint is empty, which no verdict has.

        `others` are those of channels with tables of their own, by name.
        """
        self._fingerprint = fingerprint
        self._others = dict(others or {})

    def of(self, channel: str) -> str:
        """Return a SHA-256 (hex) over the contract and this channel's policy."""
        return self._others.get(channel, self._fingerprint)

    def renew(self, other: "Policy") -> bool:
        """Judge by another one from now on; return whether any fingerprint is another one."""
        changed = (other._fingerprint, other._others) != (self._fingerprint, self._others)
        self._fingerprint, self._others = other._fingerprint, other._others
        return changed


def policy_of(contract: str, settings: Settings) -> Policy:
    """Return the policy of a configuration; `contract` is the fingerprint of what the engine can take."""
    others = {one.name: policy_fingerprint(contract, settings, one.name) for one in settings.channel}
    return Policy(policy_fingerprint(contract, settings), others)


def policy_fingerprint(contract: str, settings: Settings, channel: str = "") -> str:
    """Return a SHA-256 (hex) that changes when what is refused in a channel may change."""
    verify = settings.verify_of(channel) if channel else settings.verify
    policy: dict[str, Any] = {
        "contract": contract,
        "admission": settings.admission.model_dump(mode="json"),
        "verify": verify.model_dump(mode="json"),
    }
    return hashlib.sha256(json.dumps(policy, sort_keys=True).encode()).hexdigest()
