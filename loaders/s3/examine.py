"""Examine an adapter's objects without fetching them: they themselves show whether they are whole."""

from collections.abc import Callable

from hotswapd.codes import Code
from hotswapd.loaders.codes import BucketCode, WaitingCode
from hotswapd.loaders.digests import MAX_MANIFEST_BYTES, Listed, load_digests, unlike_listed
from hotswapd.loaders.files import CONFIG, MANIFEST, MAX_CONFIG_BYTES, WEIGHTS
from hotswapd.loaders.source import Waiting
from hotswapd.loaders.whole import config_lacking, files_missing, weights_lacking

from .errors import S3Trouble
from .listing import Keyed
from .objects import Bucket, Object

# The header of a usual adapter fits into this, so that one call brings it.
_FIRST_BYTES = 64 << 10
# What concerns only one object; any other failure concerns the whole source.
_ITS_OWN: dict[Code, Code] = {
    BucketCode.ACCESS_DENIED: WaitingCode.PERMISSION,
    BucketCode.ARCHIVED: WaitingCode.ARCHIVED,
    BucketCode.REFUSED: BucketCode.REFUSED,
    BucketCode.DAMAGED: BucketCode.DAMAGED,
}


def examine(bucket: Bucket, directory: str, keyed: Keyed, max_bytes: int) -> Waiting | None:
    """Return what the objects of a settled adapter lack, or None. Raises S3Trouble.

    `directory` is what its keys begin with. What is whole but too large passes: the fetch refuses it.
    """
    if keyed.config is None or keyed.weights is None:
        return files_missing(keyed.objects)
    try:
        lacking = _config(bucket, directory, keyed.config) or _weights(bucket, directory, keyed.weights, max_bytes)
        return lacking or _listed(bucket, directory, keyed)
    except S3Trouble as trouble:
        if trouble.code in {BucketCode.CHANGED, BucketCode.NOT_FOUND}:
            return Waiting(WaitingCode.SETTLING, "it was written to while it was examined; it must settle again")
        if trouble.code in _ITS_OWN:
            return Waiting(_ITS_OWN[trouble.code], trouble.sentence)
        raise


def read_manifest(bucket: Bucket, directory: str, manifest: Object | None) -> bytes | None:
    """Read the manifest; None without one. Raises S3Trouble."""
    if manifest is None:
        return None
    wanted = min(manifest.size, MAX_MANIFEST_BYTES + 1)
    return bucket.start(f"{directory}{MANIFEST}", manifest, wanted) if wanted else b""


def listed_in(manifest: bytes | None) -> dict[str, Listed]:
    """Read what the two files must be; empty without a manifest. Raises ValueError."""
    return {} if manifest is None else load_digests(manifest)


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
    """Return a function that reads the object's beginning once, and more of it only if that was not enough."""
    begun: list[bytes] = []

    def read(length: int, offset: int) -> bytes:
        if not begun:
            begun.append(bucket.start(key, weights, _FIRST_BYTES))
        if offset + length > len(begun[0]) and len(begun[0]) < weights.size:
            return bucket.start(key, weights, length, offset)
        return begun[0][offset : offset + length]

    return read


def _listed(bucket: Bucket, directory: str, keyed: Keyed) -> Waiting | None:
    sizes = {name: there.size for name, there in keyed.objects.items()}
    return unlike_listed(lambda: listed_in(read_manifest(bucket, directory, keyed.objects.get(MANIFEST))), sizes)


def _incomplete(name: str, lacking: str | None) -> Waiting | None:
    return None if lacking is None else Waiting(WaitingCode.INCOMPLETE, f"{name} {lacking}")
