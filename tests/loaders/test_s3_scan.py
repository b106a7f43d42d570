"""What a scan of a prefix sees, when it calls an adapter settled and whole, and what it costs."""

import hashlib
import json
import struct
from typing import Any

import pytest
from folders import CONFIG, WEIGHTS, Clock, weights
from s3_kit import Place, opened, sight, sights
from s3_proxy import Exchange, S3Proxy

from hotswapd.loaders.digests import MANIFEST, Listed, dump_digests
from hotswapd.loaders.errors import SourceDown
from hotswapd.loaders.s3 import S3Source
from hotswapd.loaders.s3_listing import Keyed, TooMany, adapters
from hotswapd.loaders.s3_objects import Object
from hotswapd.loaders.uri import AdapterURI

MINUTE = 60.0


def reason(source: S3Source) -> str:
    """Scan and return the sentence of the one adapter that must wait."""
    (sighting,) = source.scan().sightings
    assert sighting.waiting is not None
    return sighting.waiting.sentence


def test_adapters_lie_at_any_depth_up_to_four_and_the_prefix_may_be_one(place: Place) -> None:
    for name in ("", "a", "a/b", "a/b/c", "a/b/c/d", "a/b/c/d/e"):
        place.adapter(name)
    with opened(place) as source:
        assert sights(source) == {"": "", "a": "", "a/b": "", "a/b/c": "", "a/b/c/d": ""}


def test_other_keys_prefixes_and_temporary_names_are_no_adapters(place: Place) -> None:
    for name in (".hidden", "run.tmp", "run.incomplete", "a/.b"):
        place.adapter(name)
    place.put("readme.md", b"words")
    place.put(f"x{CONFIG}", b"{}")
    place.client.put_object(Bucket=place.bucket, Key=f"runs-other/{CONFIG}", Body=b"{}")
    with opened(place) as source:
        assert sights(source) == {}


def test_a_whole_bucket_can_be_watched(place: Place) -> None:
    place.adapter("a")
    with opened(place, uri=f"s3://{place.bucket}") as source:
        assert sights(source) == {"runs/a": ""}


def test_a_sighting_says_when_the_later_file_came_and_its_revision_changes_with_every_write(place: Place) -> None:
    place.adapter()
    head = place.client.head_object(Bucket=place.bucket, Key=f"runs/a/{CONFIG}")
    with opened(place) as source:
        first = sight(source)
        assert int(first.stamp) == int(head["LastModified"].timestamp())
        assert sight(source).revision == first.revision
        place.put(f"a/{WEIGHTS}", weights(b"new!"))
        place.put(f"a/{CONFIG}", b'{"r": 4}')
        assert sight(source).revision != first.revision


def test_a_pair_settles_at_the_second_look_and_only_when_the_gap_has_passed(place: Place) -> None:
    place.adapter()
    clock = Clock()
    with opened(place, clock=clock, gap=1.0) as source:
        assert sights(source) == {"a": "settling"}
        clock.now += 0.9
        assert sights(source) == {"a": "settling"}
        clock.now += 0.2
        assert sights(source) == {"a": ""}


def test_the_second_look_comes_soon_and_the_next_one_after_a_poll(place: Place) -> None:
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
def test_one_file_without_the_other_is_incomplete_whichever_comes_first(place: Place, first: str) -> None:
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
def test_a_new_file_beside_an_old_one_is_kept_waiting_for_its_partner(
    place: Place, replaced: str, patience: float
) -> None:
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


def test_a_file_that_was_replaced_alone_is_taken_in_the_end(place: Place) -> None:
    place.adapter()
    clock = Clock()
    with opened(place, clock=clock, gap=1.0) as source:
        source.scan()
        place.put(f"a/{WEIGHTS}", weights(b"new!"))
        source.scan()
        clock.now += 30.0
        assert sights(source) == {"a": ""}


def test_a_marker_is_waited_for_and_ends_every_other_wait(place: Place) -> None:
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
def test_weights_that_are_shorter_than_their_header_says_are_incomplete(place: Place, body: bytes, said: str) -> None:
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


def test_a_manifest_says_at_once_what_belongs_together(place: Place) -> None:
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


def test_what_the_files_say_is_asked_once_for_each_version(place: Place, proxy: S3Proxy) -> None:
    place.adapter("good")
    place.adapter("cut")
    place.put(f"cut/{WEIGHTS}", TRUNCATED)
    with opened(place) as source:
        first = sights(source)
        assert first == {"good": "", "cut": "incomplete"}
        asked = len(proxy.seen)
        assert sights(source) == first
        assert [seen.line.partition("?")[0] for seen in proxy.seen[asked:]] == [f"GET /{place.bucket}"]


def test_the_files_are_not_downloaded_to_be_looked_into(place: Place, proxy: S3Proxy) -> None:
    place.adapter(payload=b"\7" * (1 << 20))
    sizes: list[int] = []

    def counting(exchange: Exchange) -> None:
        status, headers, body = exchange.upstream()
        sizes.append(len(body))
        exchange.answer(status, headers, body)

    proxy.fault(f"GET .*{WEIGHTS}", counting)
    with opened(place) as source:
        sight(source)
    assert sizes == [64 << 10]


def test_many_adapters_are_looked_into_a_few_at_a_time_and_the_next_look_comes_soon(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hotswapd.loaders.s3._AT_ONCE", 3)
    for number in range(5):
        place.adapter(f"run-{number}")
    with opened(place) as source:
        scan = source.scan()
        assert [s.waiting.code for s in scan.sightings if s.waiting] == ["settling"] * 2
        assert scan.again_in < 10.0
        assert set(sights(source).values()) == {""}


@pytest.mark.parametrize("directory", ["a//b", "a/", "a/../b", "./a", ".."])
def test_a_key_that_is_no_plain_path_is_shown_and_never_fetched(place: Place, directory: str) -> None:
    key = Keyed(directory, {CONFIG: Object("e", 1, 1.0), WEIGHTS: Object("e", 1, 1.0)})
    with opened(place) as source:
        look = source._looks.see(key, 0.0)
        waiting = source._looks.waiting(key, look, 1000.0)
    assert waiting is not None
    assert waiting.code == "bad_name"


def test_hostile_keys_give_addresses_and_nothing_else() -> None:
    there = Object("e", 1, 1.0)
    names = ["a/../../../etc", "/abs", "a//b", "a/", "\x01", "é" * 400, "..", "x" * 900]
    keys = [(f"p/{name}/{file}", there) for name in names for file in (CONFIG, WEIGHTS)]
    found = adapters(keys, "p/")
    assert {keyed.below for keyed in found if not keyed.odd} == {"\x01", "é" * 400, "x" * 900}
    assert len(found) == len(names) - 1  # the first of them lies five levels deep


def test_listing_keeps_little_of_a_hundred_thousand_keys() -> None:
    """Only directories that may be adapters are kept, whatever else lies below the prefix."""
    there = Object("e", 1, 1.0)
    keys = ((f"p/run-{n % 7}/checkpoint-{n}/optimizer-{n}.pt", there) for n in range(100_000))
    assert adapters(keys, "p/") == []


def test_more_adapters_than_fit_are_said(monkeypatch: pytest.MonkeyPatch, place: Place) -> None:
    monkeypatch.setattr("hotswapd.loaders.s3_listing.MAX_ADAPTERS", 2)
    for name in "abc":
        place.adapter(name)
    with pytest.raises(TooMany):
        adapters([(f"{name}/{CONFIG}", Object("e", 1, 1.0)) for name in "abc"], "")
    with opened(place) as source, pytest.raises(SourceDown, match="a narrower prefix is needed"):
        source.scan()


def test_a_listing_of_many_pages_is_read_to_its_end(place: Place, proxy: S3Proxy, monkeypatch: Any) -> None:
    monkeypatch.setattr("hotswapd.loaders.s3_objects._PAGE", 3)
    for number in range(5):
        place.adapter(f"run-{number}")
    with opened(place) as source:
        assert len(sights(source)) == 5
    assert sum("list-type=2" in seen.line for seen in proxy.seen) == 4


def test_a_name_with_odd_characters_can_be_fetched_by_its_address(place: Place) -> None:
    place.adapter("a b+c%2F?#é=&")
    with opened(place) as source:
        sighting = sight(source)
        assert AdapterURI.parse(str(sighting.uri)) == sighting.uri
        assert source.contains(AdapterURI.parse(str(sighting.uri)))


def test_only_what_lies_below_the_prefix_belongs_to_the_source(place: Place) -> None:
    with opened(place) as source:
        inside = [f"s3://{place.bucket}/runs", f"s3://{place.bucket}/runs/", f"s3://{place.bucket}/runs/a/b/"]
        outside = [f"s3://{place.bucket}/runs2", f"s3://{place.bucket}/", "s3://other/runs/a", "file:///runs/a"]
        assert [source.contains(AdapterURI.parse(uri)) for uri in inside + outside] == [True] * 3 + [False] * 4


def test_making_a_source_touches_nothing(place: Place, proxy: S3Proxy) -> None:
    with opened(place) as source:
        assert (source.kind, source.name) == ("s3", place.uri)
    assert proxy.seen == []


@pytest.mark.parametrize("uri", ["file:///a", "s3://", "hf://org/repo"])
def test_an_address_that_is_no_prefix_is_refused(uri: str) -> None:
    with pytest.raises(ValueError, match="must be s3://bucket/prefix/"):
        S3Source("", uri)


def test_deleting_gives_no_sighting_and_nothing_else(place: Place) -> None:
    place.adapter()
    with opened(place) as source:
        sight(source)
        place.remove(f"a/{WEIGHTS}")
        assert sights(source) == {"a": "incomplete"}
        place.remove(f"a/{CONFIG}")
        assert sights(source) == {}


def test_the_revision_is_opaque_text_that_a_ledger_can_keep(place: Place) -> None:
    place.adapter()
    with opened(place) as source:
        revision = sight(source).revision
    assert json.loads(json.dumps(revision)) == revision
    assert len(revision) == 32
