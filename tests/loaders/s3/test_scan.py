"""What a scan of a prefix sees, and what it costs."""

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from kits.folders import CONFIG, WEIGHTS, weights
from kits.s3 import Place, opened, sight, sights
from kits.s3_proxy import Exchange, S3Proxy

from hotswapd.loaders.errors import SourceDown
from hotswapd.loaders.s3.listing import Keyed, TooMany, adapters
from hotswapd.loaders.s3.objects import Object
from hotswapd.loaders.s3.source import S3Source
from hotswapd.loaders.uri import AdapterURI


def test_adapters_are_found_four_levels_deep(place: Place) -> None:
    for name in ("", "a", "a/b", "a/b/c", "a/b/c/d", "a/b/c/d/e"):
        place.adapter(name)
    with opened(place) as source:
        assert sights(source) == {"": "", "a": "", "a/b": "", "a/b/c": "", "a/b/c/d": ""}


def test_other_keys_are_not_adapters(place: Place) -> None:
    place.put("readme.md", b"words")
    place.put(f"x{CONFIG}", b"{}")
    place.client.put_object(Bucket=place.bucket, Key=f"runs-other/{CONFIG}", Body=b"{}")
    with opened(place) as source:
        assert sights(source) == {}


def test_what_is_complete_under_an_ignored_name_is_told(place: Place, proxy: S3Proxy) -> None:
    """It is named with the rule, and no object of it is read."""
    for name in (".hidden", "run.tmp", "a/.b", "run.20261128"):
        place.adapter(name)
    place.put(f"half.tmp/{WEIGHTS}", weights())
    with opened(place) as source:
        ignored = "temporary_name"
        assert sights(source) == {".hidden": ignored, "run.tmp": ignored, "a/.b": ignored, "run.20261128": ""}
        assert "ends in .tmp: rename" in str([one.waiting for one in source.scan().sightings])
    assert not [one.line for one in proxy.seen if "run.tmp/adapter" in one.line]


def test_a_whole_bucket_can_be_watched(place: Place) -> None:
    place.adapter("a")
    with opened(place, uri=f"s3://{place.bucket}") as source:
        assert sights(source) == {"runs/a": ""}


def test_every_write_changes_stamp_or_revision(place: Place) -> None:
    place.adapter()
    head = place.client.head_object(Bucket=place.bucket, Key=f"runs/a/{CONFIG}")
    with opened(place) as source:
        first = sight(source)
        assert int(first.stamp) == int(head["LastModified"].timestamp())
        assert sight(source).revision == first.revision
        place.put(f"a/{WEIGHTS}", weights(b"new!"))
        place.put(f"a/{CONFIG}", b'{"r": 4}')
        assert sight(source).revision != first.revision


def test_each_version_is_examined_once(place: Place, proxy: S3Proxy) -> None:
    place.adapter("good")
    place.adapter("cut")
    place.put(f"cut/{WEIGHTS}", weights()[:-1])
    with opened(place) as source:
        first = sights(source)
        assert first == {"good": "", "cut": "incomplete"}
        asked = len(proxy.seen)
        assert sights(source) == first
        assert [seen.line.partition("?")[0] for seen in proxy.seen[asked:]] == [f"GET /{place.bucket}"]


def test_examining_does_not_download_the_files(place: Place, proxy: S3Proxy) -> None:
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


def test_many_adapters_are_examined_a_few_at_a_time(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hotswapd.loaders.s3.source._AT_ONCE", 3)
    for number in range(5):
        place.adapter(f"run-{number}")
    with opened(place) as source:
        scan = source.scan()
        assert [s.waiting.code for s in scan.sightings if s.waiting] == ["settling"] * 2
        assert scan.again_in < 10.0
        assert set(sights(source).values()) == {""}


@pytest.mark.parametrize("directory", ["a//b", "a/", "a/../b", "./a", ".."])
def test_a_key_that_is_not_a_plain_path_waits(place: Place, directory: str) -> None:
    key = Keyed(directory, {CONFIG: Object("e", 1, 1.0), WEIGHTS: Object("e", 1, 1.0)})
    with opened(place) as source:
        look = source._settling.observe(key, 0.0)
        waiting = source._settling.waiting(key, look, 1000.0)
    assert waiting is not None
    assert waiting.code == "bad_name"


def test_hostile_keys_give_addresses_and_nothing_else() -> None:
    there = Object("e", 1, 1.0)
    names = ["a/../../../etc", "/abs", "a//b", "a/", "\x01", "é" * 400, "..", "x" * 900]
    keys = [(f"p/{name}/{file}", there) for name in names for file in (CONFIG, WEIGHTS)]
    found = adapters(keys, "p/")
    assert {keyed.below for keyed in found if not keyed.odd} == {"\x01", "é" * 400, "x" * 900}
    assert len(found) == len(names) - 1  # the first of them lies five levels deep


def page_of_a_hundred_thousand(exchange: Exchange) -> None:
    """Answer with one of a hundred pages, each of a checkpoint's thousand files and one whole adapter."""
    asked = parse_qs(urlsplit(exchange.path).query)
    page = int(asked.get("continuation-token", ["0"])[0])
    names = [CONFIG, WEIGHTS, *(f"optimizer-{n:05}.pt" for n in range(998))]
    entry = "<LastModified>2026-11-25T04:40:24Z</LastModified><ETag>&quot;e&quot;</ETag><Size>9</Size>"
    keys = "".join(f"<Contents><Key>runs/run-{page:03}/{name}</Key>{entry}</Contents>" for name in names)
    more = f"<NextContinuationToken>{page + 1}</NextContinuationToken>" if page < 99 else ""
    told = f"<IsTruncated>{str(bool(more)).lower()}</IsTruncated>{more}{keys}"
    exchange.answer(200, [], f"<ListBucketResult>{told}</ListBucketResult>".encode())


def test_a_hundred_thousand_keys_are_listed_to_the_end(place: Place, proxy: S3Proxy) -> None:
    proxy.fault("GET .*list-type", page_of_a_hundred_thousand)
    with opened(place, gap=1.0) as source:
        assert len(source.scan().sightings) == 100
    assert len(proxy.seen) == 100


def test_pages_are_requested_one_at_a_time(place: Place, proxy: S3Proxy) -> None:
    """So that one page is in memory at a time, and of the others only what may be an adapter."""
    proxy.fault("GET .*list-type", page_of_a_hundred_thousand)
    with opened(place) as source, source._scanning.talking():
        keys = source._seen.listing("runs/")
        for _ in range(1000):
            next(keys)
        assert len(proxy.seen) == 1
        next(keys)
        assert len(proxy.seen) == 2


def test_too_many_adapters_are_source_down(monkeypatch: pytest.MonkeyPatch, place: Place) -> None:
    monkeypatch.setattr("hotswapd.loaders.s3.listing.MAX_ADAPTERS", 2)
    for name in "abc":
        place.adapter(name)
    with pytest.raises(TooMany):
        adapters([(f"{name}/{CONFIG}", Object("e", 1, 1.0)) for name in "abc"], "")
    with opened(place) as source, pytest.raises(SourceDown, match="needs a narrower prefix"):
        source.scan()


def test_a_listing_of_many_pages_is_read_to_its_end(place: Place, proxy: S3Proxy, monkeypatch: Any) -> None:
    monkeypatch.setattr("hotswapd.loaders.s3.objects._PAGE", 3)
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


def test_the_revision_is_short_plain_text(place: Place) -> None:
    place.adapter()
    with opened(place) as source:
        revision = sight(source).revision
    assert json.loads(json.dumps(revision)) == revision
    assert len(revision) == 32
