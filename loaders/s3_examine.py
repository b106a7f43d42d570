"""Look into an adapter's objects without fetching them: whether they themselves say that they are whole."""

import hashlib
from collections.abc import Callable, Generator

from .digests import MANIFEST, MAX_MANIFEST_BYTES, Listed, load_digests
from .header import MAX_CONFIG_BYTES, config_lacking, weights_lacking
from .s3_errors import S3Trouble
from .s3_listing import Keyed
from .s3_objects import Bucket, Object
from .source import Waiting
from .store import CONFIG, WEIGHTS

# The header of a usual adapter fits into this, so that one call brings it.
_FIRST_BYTES = 64 << 10
# What is wrong with one object only; all else is the trouble of the whole source.
_ITS_OWN = {"access_denied": "permission", "archived": "archived", "refused": "s3_refused", "damaged": "s3_damaged"}


def examine(bucket: Bucket, directory: str, keyed: Keyed, max_bytes: int) -> Waiting | None:
    """Say what the objects of a settled adapter lack, or return None. Raises S3Trouble.

    `directory` is what its keys begin with. What is whole but too large is let through: the fetch refuses it.
    """
    assert keyed.config is not None
    assert keyed.weights is not None
    try:
        lacking = _config(bucket, directory, keyed.config) or _weights(bucket, directory, keyed.weights, max_bytes)
        return lacking or _listed(bucket, directory, keyed)
    except S3Trouble as trouble:
        if trouble.kind in {"changed", "not_found"}:
            return Waiting("settling", "it was written to while it was looked into; it must settle anew")
        if trouble.kind in _ITS_OWN:
            return Waiting(_ITS_OWN[trouble.kind], trouble.sentence)
        raise


def passing_sha256(
    chunks: Generator[bytes, None, None], name: str, listed: Listed | None
) -> Generator[bytes, None, None]:
    """Pass the bytes on, and raise ValueError at their end with half a sentence unless they are what is listed."""
    digest, size = hashlib.sha256(), 0
    for chunk in chunks:
        digest.update(chunk)
        size += len(chunk)
        yield chunk
    if listed is not None and (digest.hexdigest(), size) != (listed.sha256, listed.size):
        raise ValueError(f"{name} is not what {MANIFEST} lists")


def read_manifest(bucket: Bucket, directory: str, manifest: Object | None) -> dict[str, Listed]:
    """Read which bytes the two files must have; nothing where there is no manifest. Raises S3Trouble or ValueError."""
    if manifest is None:
        return {}
    if manifest.size > MAX_MANIFEST_BYTES:
        raise ValueError(f"{MANIFEST} is larger than the {MAX_MANIFEST_BYTES} bytes that are read of it")
    raw = bucket.start(f"{directory}{MANIFEST}", manifest, manifest.size) if manifest.size else b""
    try:
        return load_digests(raw)
    except ValueError as error:
        raise ValueError(f"{MANIFEST} {error}") from error


def _config(bucket: Bucket, directory: str, config: Object) -> Waiting | None:
    if config.size > MAX_CONFIG_BYTES:
        return None
    raw = bucket.start(f"{directory}{CONFIG}", config, config.size) if config.size else b""
    return _incomplete(CONFIG, config_lacking(raw))


def _weights(bucket: Bucket, directory: str, weights: Object, max_bytes: int) -> Waiting | None:
    if weights.size > max_bytes:
        return None
    read = _reader(bucket, f"{directory}{WEIGHTS}", weights)
    return _incomplete(WEIGHTS, weights_lacking(read, weights.size))


def _reader(bucket: Bucket, key: str, weights: Object) -> Callable[[int, int], bytes]:
    """Read the object's beginning once, and more of it only where that was not enough."""
    begun: list[bytes] = []

    def read(length: int, offset: int) -> bytes:
        if not begun:
            begun.append(bucket.start(key, weights, _FIRST_BYTES))
        if offset + length > len(begun[0]) and len(begun[0]) < weights.size:
            return bucket.start(key, weights, length, offset)
        return begun[0][offset : offset + length]

    return read


def _listed(bucket: Bucket, directory: str, keyed: Keyed) -> Waiting | None:
    try:
        listed = read_manifest(bucket, directory, keyed.objects.get(MANIFEST))
    except ValueError as error:
        return Waiting("manifest_unreadable", f"{error}: publish the adapter again, or delete the manifest")
    for name, wanted in listed.items():
        if keyed.objects[name].size != wanted.size:
            return Waiting("digest_mismatch", mismatch_sentence(f"{name} is not what {MANIFEST} lists"))
    return None


def mismatch_sentence(why: str) -> str:
    """Say what to do about files that are not those that the manifest lists."""
    return f"{why}: its writer has not finished, or two are at work; publish it again, or delete the manifest"


def _incomplete(name: str, lacking: str | None) -> Waiting | None:
    return None if lacking is None else Waiting("incomplete", f"{name} {lacking}")
