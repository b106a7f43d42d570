"""When a scan of a prefix calls an adapter settled and whole, and what it says while it does not."""

import hashlib
import struct

import pytest
from kits.clock import Clock
from kits.folders import CONFIG, WEIGHTS, weights
from kits.s3 import Place, opened, sights

from hotswapd.loaders.digests import Listed, dump_digests
from hotswapd.loaders.files import MANIFEST
from hotswapd.loaders.s3.source import S3Source

MINUTE = 60.0


def reason(source: S3Source) -> str:
    """Scan and return the sentence of the one adapter that must wait."""
    (sighting,) = source.scan().sightings
    assert sighting.waiting is not None
    return sighting.waiting.sentence


def test_a_pair_settles_at_a_second_scan_after_the_gap(place: Place) -> None:
    place.adapter()
    clock = Clock()
    with opened(place, clock=clock, gap=1.0) as source:
        assert sights(source) == {"a": "settling"}
        clock.now += 0.9
        assert sights(source) == {"a": "settling"}
        clock.now += 0.2
        assert sights(source) == {"a": ""}


def test_the_second_scan_comes_soon(place: Place) -> None:
    place.adapter()
    clock = Clock()
    with opened(place, clock=clock, gap=1.0, poll=30.0) as source:
        assert source.scan().again_in == pytest.approx(1.0)
        clock.now += 1.0
        assert source.scan().again_in == 30.0


def test_a_pair_that_changes_settles_anew(place: Place) -> None:
    place.adapter()
    clock = Clock()
    with opened(place, clock=clock, gap=1.0) as source:
        source.scan()
        clock.now += 2.0
        place.adapter(payload=b"new!", config=b'{"r": 4}')
        assert sights(source) == {"a": "settling"}
        clock.now += 1.0
        assert sights(source) == {"a": ""}


@pytest.mark.parametrize("first", [CONFIG, WEIGHTS])
def test_one_file_without_the_other_is_incomplete(place: Place, first: str) -> None:
    content = {CONFIG: b'{"r": 8}', WEIGHTS: weights()}
    place.put(f"a/{first}", content[first])
    (second,) = content.keys() - {first}
    with opened(place) as source:
        assert second in reason(source)
        assert sights(source) == {"a": "incomplete"}
        place.put(f"a/{second}", content[second])
        assert sights(source) == {"a": ""}


def test_an_upload_in_parts_is_not_seen_before_it_is_complete(place: Place) -> None:
    place.put(f"a/{CONFIG}", b'{"r": 8}')
    at = {"Bucket": place.bucket, "Key": f"runs/a/{WEIGHTS}"}
    body = weights(b"\7" * (6 << 20))
    upload = place.client.create_multipart_upload(**at)["UploadId"]
    parts = [body[: 5 << 20], body[5 << 20 :]]
    with opened(place) as source:
        done = []
        for number, part in enumerate(parts, 1):
            etag = place.client.upload_part(**at, UploadId=upload, PartNumber=number, Body=part)["ETag"]
            done.append({"ETag": etag, "PartNumber": number})
            assert sights(source) == {"a": "incomplete"}
        place.client.complete_multipart_upload(**at, UploadId=upload, MultipartUpload={"Parts": done})
        assert sights(source) == {"a": ""}


@pytest.mark.parametrize(("replaced", "patience"), [(CONFIG, 600.0), (WEIGHTS, 30.0)])
def test_a_file_replaced_alone_waits_for_its_partner(place: Place, replaced: str, patience: float) -> None:
    """A slow job writes over an adapter one file at a time; in between, old and new lie side by side for long."""
    place.adapter()
    content = {CONFIG: b'{"r": 4}', WEIGHTS: weights(b"new!")}
    (other,) = content.keys() - {replaced}
    clock = Clock()
    with opened(place, clock=clock, gap=1.0, poll=3600.0) as source:
        source.scan()
        place.put(f"a/{replaced}", content[replaced])
        source.scan()
        clock.now += 10.0
        scan = source.scan()
        (sighting,) = scan.sightings
        assert sighting.waiting is not None
        assert sighting.waiting.code == "half_replaced"
        assert sighting.waiting.sentence.startswith(f"{replaced} is new and {other} is still the old one")
        assert scan.again_in == pytest.approx(patience - 10.0)
        place.put(f"a/{other}", content[other])
        source.scan()
        clock.now += 1.0
        assert sights(source) == {"a": ""}


def test_a_file_replaced_alone_is_fetched_in_the_end(place: Place) -> None:
    place.adapter()
    clock = Clock()
    with opened(place, clock=clock, gap=1.0) as source:
        source.scan()
        place.put(f"a/{WEIGHTS}", weights(b"new!"))
        source.scan()
        clock.now += 30.0
        assert sights(source) == {"a": ""}


def test_a_marker_ends_every_other_wait(place: Place) -> None:
    place.adapter()
    clock = Clock()
    with opened(place, marker="_SUCCESS", clock=clock, gap=1.0) as source:
        assert "_SUCCESS is not there yet" in reason(source)
        place.put("a/_SUCCESS", b"")
        clock.now += MINUTE
        assert sights(source) == {"a": ""}
        place.remove("a/_SUCCESS")
        place.put(f"a/{CONFIG}", b'{"r": 4}')
        assert sights(source) == {"a": "marker_missing"}
        clock.now += 1.0
        assert sights(source) == {"a": "marker_missing"}
        place.put("a/_SUCCESS", b"")
        assert sights(source) == {"a": ""}


TRUNCATED = weights(b"\7" * 100)[:-1]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "0 bytes and not even a header"),
        (b"\0" * 200, "starts with zeros"),
        (TRUNCATED, f"has {len(TRUNCATED)} bytes and its header announces {len(TRUNCATED) + 1}"),
        (struct.pack("<Q", 5000) + b"{}", "its header alone needs 5008"),
        (struct.pack("<Q", 70_000) + b'{"x": {"data_offsets": [0, 9]}}'.ljust(70_000) + b"\1" * 8, "announces 70017"),
    ],
)
def test_weights_shorter_than_their_header_are_incomplete(place: Place, body: bytes, said: str) -> None:
    place.put(f"a/{WEIGHTS}", body)
    place.put(f"a/{CONFIG}", b'{"r": 8}')
    with opened(place) as source:
        assert said in reason(source)
        assert sights(source) == {"a": "incomplete"}


@pytest.mark.parametrize("config", [b"", b'{"r": ', b"\xff\xfe"])
def test_a_config_that_does_not_parse_is_incomplete(place: Place, config: bytes) -> None:
    place.adapter(config=config)
    with opened(place) as source:
        assert "does not parse as JSON yet" in reason(source)


def test_a_pickle_alone_gets_its_own_advice(place: Place) -> None:
    place.put("a/adapter_model.bin", b"pickle")
    place.put(f"a/{CONFIG}", b"{}")
    with opened(place) as source:
        assert "save it as safetensors" in reason(source)


def manifest(config: bytes, body: bytes) -> bytes:
    listed = {CONFIG: config, WEIGHTS: body}
    return dump_digests({n: Listed(hashlib.sha256(b).hexdigest(), len(b)) for n, b in listed.items()})


def test_files_of_another_size_than_the_manifest_lists_wait(place: Place) -> None:
    place.adapter()
    place.put(f"a/{MANIFEST}", manifest(b'{"r": 8}', weights(b"another")))
    with opened(place) as source:
        assert sights(source) == {"a": "digest_mismatch"}
        assert MANIFEST in reason(source)
        place.put(f"a/{MANIFEST}", manifest(b'{"r": 8}', weights()))
        assert sights(source) == {"a": ""}


def test_a_manifest_that_cannot_be_read_is_said(place: Place) -> None:
    place.adapter()
    place.put(f"a/{MANIFEST}", b"{}")
    with opened(place) as source:
        assert sights(source) == {"a": "manifest_unreadable"}


def test_a_manifest_ends_the_wait_for_a_partner(place: Place) -> None:
    """Publishing new weights under an old config sends only what changed."""
    place.adapter()
    place.put(f"a/{MANIFEST}", manifest(b'{"r": 8}', weights()))
    clock = Clock()
    with opened(place, clock=clock, gap=1.0) as source:
        source.scan()
        place.put(f"a/{WEIGHTS}", weights(b"new!"))
        source.scan()
        place.put(f"a/{MANIFEST}", manifest(b'{"r": 8}', weights(b"new!")))
        source.scan()
        clock.now += 1.0
        assert sights(source) == {"a": ""}
