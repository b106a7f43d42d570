"""A set: adapters of several channels that go live at one moment, or none of them.

The manifest of each member names all of them, so whoever has found one knows what belongs to it, in whatever order
they arrive: ``"together": {"sales": "<digest>", "support": "<digest>"}``, each digest as the store gives it.
"""

import json
import re
from collections.abc import Mapping

KEY = "together"
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


def is_channel(name: str) -> bool:
    """Tell whether a channel can have this name."""
    return _NAME.fullmatch(name) is not None


def dump_members(members: Mapping[str, str]) -> str:
    """Write a set in the one way that names it: the same channels with the same digests give the same text."""
    return json.dumps(dict(members), sort_keys=True, separators=(",", ":"))


def load_members(text: str) -> dict[str, str]:
    """Read what `dump_members` wrote: digests by channel, in the order of the channels' names."""
    return dict(json.loads(text)) if text else {}


def members_of(manifest: bytes) -> str:
    """Return the set that a manifest names, as `dump_members` writes it; empty if it names none, or is not JSON.

    Raises ValueError with half a sentence for a set that is not one.
    """
    try:
        whole = json.loads(manifest)
    except (ValueError, RecursionError):
        return ""
    given = whole.get(KEY) if isinstance(whole, dict) else None
    if given is None:
        return ""
    if not isinstance(given, dict) or not given or not all(map(_is_member, given.items())):
        raise ValueError(f"the manifest's {KEY!r} does not name channels with their digests")
    return dump_members(given)


def _is_member(member: tuple[str, object]) -> bool:
    name, digest = member
    return is_channel(name) and isinstance(digest, str) and _DIGEST.fullmatch(digest) is not None
