"""Which generation answers a key: a function of two strings, which other systems can compute too."""

import hashlib
from dataclasses import dataclass

BUCKETS = 10_000


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

    def has(self, key: str) -> bool:
        """Tell whether requests of this key go to the one beside."""
        return in_share(self.salt, key, self.percent)
