"""Who gets which generation: a function of two texts, so that other systems can compute it too."""

import hashlib

BUCKETS = 10_000


def bucket(salt: str, key: str) -> int:
    """Put a key into one of 10,000 buckets: the first 8 bytes of SHA-256 over ``salt``, a zero byte, ``key`` (UTF-8).

    They are read as a big-endian number, of which the remainder by 10,000 is the bucket.
    """
    text = f"{salt}\0{key}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big") % BUCKETS


def in_share(salt: str, key: str, percent: float) -> bool:
    """Say whether a key belongs to the first `percent` percent; who is in stays in when the share grows."""
    return bucket(salt, key) < round(percent * BUCKETS / 100)
