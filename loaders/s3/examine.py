"""Look into an adapter's objects without fetching them: whether they themselves say that they are whole."""

from collections.abc import Callable

from hotswapd.loaders.digests import MAX_MANIFEST_BYTES, Listed, load_digests, unlike_listed
from hotswapd.loaders.files import CONFIG, MANIFEST, MAX_CONFIG_BYTES, WEIGHTS
from hotswapd.loaders.source import Waiting
from hotswapd.loaders.whole import config_lacking, weights_lacking

from .errors import S3Trouble
from .listing import Keyed
from .objects import Bucket, Object

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


def read_manifest(bucket: Bucket, directory: str, manifest: Object | None) -> dict[str, Listed]:
    """Read which bytes the two files must have; nothing where there is no manifest. Raises S3Trouble or ValueError."""
    if manifest is None:
        return {}
    wanted = min(manifest.size, MAX_MANIFEST_BYTES + 1)
    return load_digests(bucket.start(f"{directory}{MANIFEST}", manifest, wanted) if wanted else b"")


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
    sizes = {name: there.size for name, there in keyed.objects.items()}
    return unlike_listed(lambda: read_manifest(bucket, directory, keyed.objects.get(MANIFEST)), sizes)


def _incomplete(name: str, lacking: str | None) -> Waiting | None:
    return None if lacking is None else Waiting("incomplete", f"{name} {lacking}")
