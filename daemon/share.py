"""Which generation answers a key: a function of two strings, which other systems can compute too."""

import hashlib
from dataclasses import dataclass

BUCKETS = 10_000
LIVE, CANARY = "live", "canary"
"""The names of the two arms in status, metrics, logs and tags."""


def bucket(salt: str, key: str) -> int:
    """Return a key's bucket, from 0 to 9,999.

    It is the first 8 bytes of SHA-256 over ``salt``, a zero byte and ``key`` (UTF-8), as a big-endian number, modulo
    10,000.
    """
    text = f"{salt}\0{key}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big") % BUCKETS


def in_share(salt: str, key: str, percent: float) -> bool:
    """Tell whether a key belongs to the first `percent` percent; a key that does stays in when the share grows."""
    return bucket(salt, key) < round(percent * BUCKETS / 100)


@dataclass(frozen=True, slots=True)
class Share:
    """Two generations side by side: the one beside the live one gets `percent` of the keys, chosen by `salt`."""

    live: int
    beside: int
    salt: str
    percent: float

    def arm(self, key: str) -> str:
        """Return the arm of a key: always the same, and once the canary's, the canary's while the share grows."""
        return CANARY if in_share(self.salt, key, self.percent) else LIVE

    def route(self, key: str) -> tuple[int | None, str]:
        """Return the generation that answers a key's requests, None for the live one, and the arm that counts them."""
        arm = self.arm(key)
        return (self.beside if arm == CANARY else None), arm


def tag_of(arm: str, channel: str) -> str:
    """Return what a request that counts for an arm of a channel is tagged with; empty without an arm."""
    return f"{arm}@{channel}" if arm else ""
