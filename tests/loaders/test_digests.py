"""The manifest beside a published adapter is read as it was written, and anything else is refused."""

from collections.abc import Callable

import pytest
from kits.folders import CONFIG, WEIGHTS

from hotswapd.loaders.digests import Listed, dump_digests, load_digests


def test_the_manifest_comes_back_as_it_went() -> None:
    files = {CONFIG: Listed("ab" * 32, 8), WEIGHTS: Listed("cd" * 32, 0)}
    assert load_digests(dump_digests(files)) == files


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: b"",
        lambda _: b"[]",
        lambda _: b"[" * 60_000,
        lambda _: b"9" * 60_000,
        lambda raw: raw + b" " * 70_000,
        lambda _: b"\xff",
        lambda raw: raw.replace(b'"version": 1', b'"version": 2'),
        lambda raw: raw.replace(CONFIG.encode(), b"other.json"),
        lambda raw: raw.replace(b"abab", b"ABAB"),
        lambda raw: raw.replace(b'"size": 8', b'"size": true'),
        lambda raw: raw.replace(b'"size": 8', b'"size": -8'),
        lambda raw: raw.replace(b'"size": 8', b'"size": "8"'),
    ],
)
def test_a_malformed_manifest_is_refused(spoil: Callable[[bytes], bytes]) -> None:
    raw = dump_digests({CONFIG: Listed("ab" * 32, 8), WEIGHTS: Listed("cd" * 32, 0)})
    assert spoil(raw) != raw
    with pytest.raises(
        ValueError, match=r"^hotswapd_manifest.json (is not JSON|is larger|does not list|has an unknown version)"
    ):
        load_digests(spoil(raw))
