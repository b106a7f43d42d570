"""``hotswapd_manifest.json``: the bytes that an adapter's two files must have, by whoever published it.

``{"version": 1, "files": {"adapter_config.json": {"sha256": ..., "size": ...}, "adapter_model.safetensors": {...}}}``
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass

from .codes import WaitingCode
from .errors import Unavailable
from .files import CONFIG, MANIFEST, WEIGHTS
from .source import Waiting
from .together import KEY, members_of

MAX_MANIFEST_BYTES = 64 << 10
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


@dataclass(frozen=True, slots=True)
class Listed:
    """What one file must be: its SHA-256 in lower-case hex, and its size in bytes."""

    sha256: str
    size: int


def dump_digests(
    files: Mapping[str, Listed], base_fingerprint: str = "", together: Mapping[str, str] | None = None
) -> bytes:
    """Write the manifest; the same files always give the same bytes.

    `base_fingerprint` is that of the base that they were checked against, empty if there was none. `together` are the
    digests of all members of its set, by channel.
    """
    listed = {name: asdict(files[name]) for name in (CONFIG, WEIGHTS)}
    base = {"base_fingerprint": base_fingerprint} if base_fingerprint else {}
    members = {KEY: dict(together)} if together else {}
    return json.dumps({"version": 1, "files": listed, **base, **members}, indent=1, sort_keys=True).encode() + b"\n"


def load_digests(raw: bytes) -> dict[str, Listed]:
    """Read the manifest's entries for the two files; others are ignored. Raises ValueError with half a sentence."""
    if len(raw) > MAX_MANIFEST_BYTES:
        raise ValueError(f"{MANIFEST} is larger than {MAX_MANIFEST_BYTES} bytes, the most that is read")
    try:
        whole = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{MANIFEST} is not JSON") from error
    try:
        if whole["version"] != 1:
            raise ValueError(f"{MANIFEST} has an unknown version; only 1 is known")
        members_of(raw)
        return {name: _listed(whole["files"][name]) for name in (CONFIG, WEIGHTS)}
    except (KeyError, TypeError) as error:
        raise ValueError(f"{MANIFEST} does not list {CONFIG} and {WEIGHTS} with their sha256 and size") from error


def unlike_listed(read: Callable[[], Mapping[str, Listed]], sizes: Mapping[str, int]) -> Waiting | None:
    """Return why the files cannot be those that the manifest lists, judged by their sizes in bytes, or None.

    `read` reads the manifest; its ValueError becomes ``manifest_unreadable``; other errors pass through.
    """
    try:
        listed = read()
    except ValueError as error:
        return Waiting(WaitingCode.MANIFEST_UNREADABLE, f"{error}: publish the adapter again, or delete the manifest")
    for name, wanted in listed.items():
        if sizes[name] != wanted.size:
            return Waiting(WaitingCode.DIGEST_MISMATCH, _mismatch_sentence(_unlike(name)))
    return None


def listed_bytes(chunks: Iterable[bytes], name: str, listed: Listed | None) -> Iterator[bytes]:
    """Yield a file's bytes; raise Unavailable ``digest_mismatch`` after the last one unless they are as `listed`.

    Nothing is compared if `listed` is None.
    """
    digest, size = hashlib.sha256(), 0
    for chunk in chunks:
        digest.update(chunk)
        size += len(chunk)
        yield chunk
    if listed is not None and (digest.hexdigest(), size) != (listed.sha256, listed.size):
        raise mismatch(_unlike(name))


def mismatch(why: str) -> Unavailable:
    """Return the error for files other than the manifest lists; `why` is half a sentence."""
    return Unavailable(WaitingCode.DIGEST_MISMATCH, _mismatch_sentence(why))


def _unlike(name: str) -> str:
    return f"{name} is not what {MANIFEST} lists"


def _mismatch_sentence(why: str) -> str:
    return f"{why}: its writer has not finished, or two are at work; publish it again, or delete the manifest"


def _listed(raw: Mapping[str, object]) -> Listed:
    sha256, size = raw["sha256"], raw["size"]
    if not isinstance(sha256, str) or not _SHA256.match(sha256) or type(size) is not int or size < 0:
        raise TypeError
    return Listed(sha256, size)
