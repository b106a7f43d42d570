"""Copy a pair of objects into the store as it was at one moment, or not at all."""

import contextlib
from contextlib import closing

from hotswapd.loaders.codes import FileCode, GoneCode, WaitingCode
from hotswapd.loaders.digests import Listed, listed_bytes, mismatch
from hotswapd.loaders.errors import Gone, Refused, Unavailable
from hotswapd.loaders.files import CONFIG, MANIFEST, MAX_CONFIG_BYTES, MAX_TOKENIZER_BYTES, TOKENIZER, WEIGHTS, FileName
from hotswapd.loaders.source import Artifact, Sighting
from hotswapd.loaders.store.stage import Stage
from hotswapd.loaders.store.store import Store
from hotswapd.loaders.uri import AdapterURI

from .errors import S3Trouble
from .examine import listed_in, read_manifest
from .objects import Bucket, Object
from .settle import facts_of, revision_of


def copy_pair(bucket: Bucket, directory: str, sighting: Sighting, store: Store, max_bytes: int) -> Artifact:
    """Copy what was sighted; `directory` is what its keys begin with.

    Both objects are pinned by their ETags, and must be the same before, during and after the copy. Raises
    S3Trouble, Gone, Refused (``too_large``) or Unavailable (``changed``, ``digest_mismatch``, and the store's codes).
    """
    before = _heads(bucket, directory, sighting.uri)
    if revision_of(facts_of(before)) != sighting.revision:
        raise _changed(sighting.uri)
    caps: dict[FileName, int] = {CONFIG: MAX_CONFIG_BYTES, WEIGHTS: max_bytes}
    for name, cap in caps.items():
        if before[name].size > cap:
            raise Refused(FileCode.TOO_LARGE, f"{name} has {before[name].size} bytes and {cap} are allowed")
    store.require_free(before[CONFIG].size + before[WEIGHTS].size)
    manifest = read_manifest(bucket, directory, before.get(MANIFEST))
    listed = _listed(manifest)
    with store.stage() as stage:
        for name, cap in caps.items():
            with closing(bucket.stream(f"{directory}{name}", before[name])) as chunks:
                stage.write(name, listed_bytes(chunks, name, listed.get(name)), cap)
        if _heads(bucket, directory, sighting.uri) != before:
            raise _changed(sighting.uri)
        if manifest is not None:
            stage.beside(MANIFEST, manifest)
        for extra in TOKENIZER:
            _copy_beside(bucket, f"{directory}{extra}", extra, stage)
        return stage.commit()


def _copy_beside(bucket: Bucket, key: str, name: str, stage: Stage) -> None:
    """Copy one of the files beside it if it is there and can be read."""
    with contextlib.suppress(S3Trouble):
        there = bucket.head(key, sure=True)
        if there is not None and 0 < there.size <= MAX_TOKENIZER_BYTES:
            stage.beside(name, bucket.start(key, there, there.size))


def _heads(bucket: Bucket, directory: str, uri: AdapterURI) -> dict[str, Object]:
    """Return what the objects are now; the manifest is optional. Raises Gone if one of the pair is missing."""
    found: dict[str, Object] = {}
    for name in (CONFIG, WEIGHTS, MANIFEST):
        there = bucket.head(f"{directory}{name}", sure=name == MANIFEST)
        if there is not None:
            found[name] = there
        elif name != MANIFEST:
            raise Gone(GoneCode.GONE, f"{uri} was deleted before it was copied: {name} no longer exists")
    return found


def _listed(manifest: bytes | None) -> dict[str, Listed]:
    try:
        return listed_in(manifest)
    except ValueError as error:
        raise mismatch(str(error)) from error


def _changed(uri: AdapterURI) -> Unavailable:
    return Unavailable(WaitingCode.CHANGED, f"{uri} was written to after it was sighted; it must settle again")
