"""A fetch brings exactly the two objects that were sighted, as they were at one moment, or it brings nothing."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kits.folders import CONFIG, WEIGHTS, weights, write_folder
from kits.s3 import GO, Place, fails, left_over, opened, serves, sight
from kits.s3_proxy import Exchange, S3Proxy, answering, cutting, hanging_up, shortening

from hotswapd.loaders.digests import Listed, dump_digests
from hotswapd.loaders.errors import Gone, Refused, Unavailable
from hotswapd.loaders.files import MANIFEST
from hotswapd.loaders.publish import publish
from hotswapd.loaders.s3.session import S3Access
from hotswapd.loaders.s3.source import S3Source
from hotswapd.loaders.source import Sighting
from hotswapd.loaders.store.store import Store
from hotswapd.loaders.together import dump_members
from hotswapd.loaders.uri import AdapterURI


@pytest.fixture
def source(place: Place, proxy: S3Proxy) -> Iterator[S3Source]:
    with opened(place, max_bytes=1 << 20) as source:
        yield source


def test_a_fetched_adapter_is_the_buckets_byte_for_byte(place: Place, source: S3Source, store: Store) -> None:
    place.adapter(payload=b"\7" * 5000)
    place.put("a/optimizer.pt", b"o" * 100)
    artifact = source.fetch(sight(source), store, GO)
    assert artifact.digest == hashlib.sha256(b'{"r": 8}' + weights(b"\7" * 5000)).hexdigest()
    assert sorted(path.name for path in artifact.path.iterdir()) == [CONFIG, WEIGHTS]
    assert left_over(store) == [artifact.digest]


def test_the_digest_of_a_multipart_upload_is_not_its_etag(place: Place, store: Store) -> None:
    body = weights(b"\7" * (6 << 20))
    place.put(f"a/{CONFIG}", b'{"r": 8}')
    at = {"Bucket": place.bucket, "Key": f"runs/a/{WEIGHTS}"}
    upload = place.client.create_multipart_upload(**at)["UploadId"]
    etag = place.client.upload_part(**at, UploadId=upload, PartNumber=1, Body=body)["ETag"]
    done = {"Parts": [{"ETag": etag, "PartNumber": 1}]}
    assert place.client.complete_multipart_upload(**at, UploadId=upload, MultipartUpload=done)["ETag"].endswith('-1"')
    with opened(place) as source:
        assert source.fetch(sight(source), store, GO).digest == hashlib.sha256(b'{"r": 8}' + body).hexdigest()


def test_the_prefix_itself_and_odd_names_are_fetched(place: Place, store: Store) -> None:
    place.adapter("a b+c%2F?#é=&")
    with opened(place) as source:
        seen = sight(source)
        again = Sighting(AdapterURI.parse(str(seen.uri)), seen.revision, seen.stamp)
        assert (source.fetch(again, store, GO).path / CONFIG).read_bytes() == b'{"r": 8}'
    with opened(place, uri=f"{place.uri}a b+c%252F%3F%23é=&") as source:
        serves(source, store, b"\1\2\3\4")


def test_every_read_is_pinned_to_the_first_head(place: Place, proxy: S3Proxy, source: S3Source) -> None:
    place.adapter()
    sight(source)
    reads = [seen for seen in proxy.seen if seen.line.startswith("GET") and "list-type" not in seen.line]
    assert len(reads) == 2
    assert all(seen.headers["if-match"].startswith('"') for seen in reads)


def overwriting(place: Place, name: str, content: bytes) -> Callable[[Exchange], None]:
    """Make a fault by which another writer is faster than the answer."""

    def act(exchange: Exchange) -> None:
        place.put(f"a/{name}", content)
        exchange.pass_on()

    return act


@pytest.mark.parametrize("written", [CONFIG, WEIGHTS])
@pytest.mark.parametrize("at", [f"HEAD .*{CONFIG}", f"HEAD .*{WEIGHTS}", f"GET .*{CONFIG}", f"GET .*{WEIGHTS}"])
def test_a_pair_that_changes_while_it_is_read_settles_again(
    place: Place, proxy: S3Proxy, source: S3Source, store: Store, at: str, written: str
) -> None:
    place.adapter()
    sighting = sight(source)
    content = {CONFIG: b'{"r": 4}', WEIGHTS: weights(b"new!")}
    proxy.fault(at, overwriting(place, written, content[written]), times=1)
    error = fails(source, sighting, store)
    assert isinstance(error, Unavailable)
    assert error.code == "changed"
    place.adapter(payload=b"new!", config=b'{"r": 4}')
    serves(source, store, b"new!")


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS])
def test_a_write_after_the_last_byte_is_noticed(
    place: Place, proxy: S3Proxy, source: S3Source, store: Store, name: str
) -> None:
    place.adapter()
    sighting = sight(source)

    def answer_then_write(exchange: Exchange) -> None:
        exchange.pass_on()
        place.put(f"a/{name}", {CONFIG: b'{"r": 4}', WEIGHTS: weights(b"new!")}[name])

    proxy.fault(f"GET .*{WEIGHTS}", answer_then_write, times=1)
    assert fails(source, sighting, store).code == "changed"


@pytest.fixture
def versioned(place: Place) -> Place:
    place.client.put_bucket_versioning(Bucket=place.bucket, VersioningConfiguration={"Status": "Enabled"})
    return place


def test_a_versioned_bucket_gives_its_newest(versioned: Place, source: S3Source, store: Store) -> None:
    versioned.adapter(payload=b"old!")
    versioned.adapter(payload=b"new!", config=b'{"r": 4}')
    serves(source, store, b"new!")
    sighting = sight(source)
    versioned.remove(f"a/{WEIGHTS}")
    assert isinstance(fails(source, sighting, store), Gone)


def test_another_version_of_the_same_bytes_is_a_change(
    versioned: Place, proxy: S3Proxy, source: S3Source, store: Store
) -> None:
    """The ETag is the same then, and only the VersionId shows that a writer is at work."""
    versioned.adapter()
    sighting = sight(source)
    proxy.fault(f"GET .*{CONFIG}", overwriting(versioned, WEIGHTS, weights()), times=1)
    assert fails(source, sighting, store).code == "changed"


def test_a_server_without_if_match_is_checked_by_etag(
    place: Place, proxy: S3Proxy, source: S3Source, store: Store
) -> None:
    place.adapter()
    sighting = sight(source)
    other = answering(200, weights(b"new!"), ETag='"another"', **{"Last-Modified": "Wed, 25 Nov 2026 04:40:24 GMT"})
    proxy.fault(f"GET .*{WEIGHTS}", other, times=1)
    assert fails(source, sighting, store).code == "changed"
    serves(source, store, b"\1\2\3\4")


@pytest.mark.parametrize(
    ("act", "code"),
    [(cutting, "s3_damaged"), (shortening, "s3_damaged"), (hanging_up, "s3_unreachable")],
)
@pytest.mark.parametrize("name", [CONFIG, WEIGHTS])
def test_a_short_body_is_fetched_again(
    place: Place,
    proxy: S3Proxy,
    source: S3Source,
    store: Store,
    name: str,
    act: Callable[[Exchange], None],
    code: str,
) -> None:
    place.adapter(payload=b"\7" * 5000)
    sighting = sight(source)
    proxy.fault(f"GET .*{name}", act, times=1)
    error = fails(source, sighting, store)
    assert isinstance(error, Unavailable)
    assert error.code == code
    serves(source, store, b"\7" * 5000)


def publish_to(place: Place, folder: Path, name: str = "a") -> None:
    publish(folder, f"{place.uri}{name}", access=S3Access("us-east-1", place.url))


def test_files_as_the_manifest_lists_are_fetched(place: Place, source: S3Source, store: Store, tmp_path: Path) -> None:
    publish_to(place, write_folder(tmp_path / "trained", b"good"))
    serves(source, store, b"good")


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS])
def test_files_unlike_the_manifest_are_not_fetched(
    place: Place, source: S3Source, store: Store, tmp_path: Path, name: str
) -> None:
    publish_to(place, write_folder(tmp_path / "trained", b"good"))
    place.put(f"a/{name}", {CONFIG: b'{"r": 4}', WEIGHTS: weights(b"evil")}[name])
    error = fails(source, sight(source), store)
    assert isinstance(error, Unavailable)
    assert error.code == "digest_mismatch"
    assert f"{name} is not what {MANIFEST} lists" in error.sentence
    write_folder(tmp_path / "trained", b"next")
    publish_to(place, tmp_path / "trained")
    serves(source, store, b"next")


def test_a_member_of_a_set_is_fetched_as_one(place: Place, source: S3Source, store: Store) -> None:
    """Its manifest, whose bytes are those that were sighted, names the set."""
    files = {CONFIG: b'{"r": 8}', WEIGHTS: weights(b"good")}
    members = {"sales": "1" * 64, "support": "2" * 64}
    listed = {name: Listed(hashlib.sha256(content).hexdigest(), len(content)) for name, content in files.items()}
    for name, content in [*files.items(), (MANIFEST, dump_digests(listed, together=members))]:
        place.put(f"a/{name}", content)
    artifact = source.fetch(sight(source), store, threading.Event())
    assert artifact.together == dump_members(members)


def test_a_manifest_that_came_after_the_sighting_is_a_change(place: Place, source: S3Source, store: Store) -> None:
    place.adapter()
    sighting = sight(source)
    listed = {CONFIG: Listed("0" * 64, 8), WEIGHTS: Listed("0" * 64, len(weights()))}
    place.put(f"a/{MANIFEST}", dump_digests(listed))
    assert fails(source, sighting, store).code == "changed"


@pytest.mark.parametrize(
    ("payload", "config"), [(b"\1" * (1 << 20), b"{}"), (b"\1", b" " * (256 << 10) + b"{}")], ids=["weights", "config"]
)
def test_a_large_file_is_refused_before_its_download(
    place: Place, proxy: S3Proxy, source: S3Source, store: Store, payload: bytes, config: bytes
) -> None:
    place.adapter(payload=payload, config=config)
    sighting = sight(source)
    begun = len(proxy.seen)
    error = fails(source, sighting, store)
    assert isinstance(error, Refused)
    assert error.code == "too_large"
    assert {seen.line.partition(" ")[0] for seen in proxy.seen[begun:]} == {"HEAD"}


def test_the_copy_does_not_begin_without_room_for_it(
    place: Place, proxy: S3Proxy, source: S3Source, tmp_path: Path
) -> None:
    place.adapter()
    sighting = sight(source)
    begun = len(proxy.seen)
    assert fails(source, sighting, Store(tmp_path / "full", reserve_bytes=1 << 60)).code == "disk_full"
    assert {seen.line.partition(" ")[0] for seen in proxy.seen[begun:]} == {"HEAD"}


def test_a_disk_that_fills_up_during_the_copy_is_left_empty(
    place: Place, source: S3Source, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.adapter()
    sighting = sight(source)
    free, asked = store.require_free, []

    def fills_up(size: int) -> None:
        asked.append(size)
        if len(asked) == 3:
            store.reserve_bytes = 1 << 60
        free(size)

    monkeypatch.setattr(store, "require_free", fills_up)
    assert fails(source, sighting, store).code == "disk_full"


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS])
def test_a_deleted_adapter_is_gone(place: Place, source: S3Source, store: Store, name: str) -> None:
    place.adapter()
    sighting = sight(source)
    place.remove(f"a/{name}")
    error = fails(source, sighting, store)
    assert isinstance(error, Gone)
    assert name in error.sentence


def test_a_bucket_that_vanished_is_no_deletion(place: Place, source: S3Source, store: Store) -> None:
    """The answer to a HEAD is the same in both cases; the second request distinguishes them."""
    place.adapter()
    sighting = sight(source)
    place.remove(f"a/{CONFIG}")
    place.remove(f"a/{WEIGHTS}")
    place.client.delete_bucket(Bucket=place.bucket)
    error = fails(source, sighting, store)
    assert isinstance(error, Unavailable)
    assert error.code == "s3_no_such_bucket"


def test_a_foreign_address_is_gone(source: S3Source, store: Store) -> None:
    assert isinstance(fails(source, Sighting(AdapterURI("s3", "other/runs/a"), "a" * 32, 0.0), store), Gone)


def test_stopping_ends_a_copy_that_is_under_way(place: Place, proxy: S3Proxy, source: S3Source, store: Store) -> None:
    place.adapter()
    sighting, stop = sight(source), threading.Event()
    proxy.fault(f"GET .*{WEIGHTS}", Exchange.say_nothing)

    def stop_on_arrival() -> None:
        proxy.arrived.wait(30)
        stop.set()

    threading.Thread(target=stop_on_arrival, daemon=True).start()
    error = fails(source, sighting, store, stop)
    assert isinstance(error, Unavailable)
    assert error.code == "stopping"
