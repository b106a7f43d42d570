"""Publishing to a bucket, against a server that speaks S3 on the loopback."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from kits.folders import CONFIG, WEIGHTS, weights, write_folder
from kits.s3 import moto

from hotswapd.loaders.digests import Listed
from hotswapd.loaders.errors import Unavailable
from hotswapd.loaders.files import MANIFEST
from hotswapd.loaders.publish import publish
from hotswapd.loaders.publish import to_bucket as publish_s3
from hotswapd.loaders.publish.to_bucket import S3Place
from hotswapd.loaders.s3.session import Patience, S3Access
from hotswapd.loaders.uri import AdapterURI

DEST = "s3://models/team/run-7"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with moto() as url:
        yield url


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the machine's own credentials out of it."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def access(server: str) -> S3Access:
    return S3Access(region="us-east-1", endpoint_url=server, expected_bucket_owner="123456789012")


@pytest.fixture
def s3(server: str) -> Iterator[Any]:
    """Yield a separate client of the server, with an empty versioned bucket."""
    client = boto3.client("s3", region_name="us-east-1", endpoint_url=server)
    client.create_bucket(Bucket="models")
    client.put_bucket_versioning(Bucket="models", VersioningConfiguration={"Status": "Enabled"})
    yield client
    found = client.list_object_versions(Bucket="models")
    for old in [*found.get("Versions", []), *found.get("DeleteMarkers", [])]:
        client.delete_object(Bucket="models", Key=old["Key"], VersionId=old["VersionId"])
    client.delete_bucket(Bucket="models")


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "trained")


def there(s3: Any) -> dict[str, bytes]:
    found = s3.list_objects_v2(Bucket="models").get("Contents", [])
    return {entry["Key"]: s3.get_object(Bucket="models", Key=entry["Key"])["Body"].read() for entry in found}


def history(s3: Any) -> list[str]:
    """List all that was ever done to the bucket."""
    found = s3.list_object_versions(Bucket="models")
    changes = [("put", entry) for entry in found.get("Versions", [])]
    changes += [("delete", entry) for entry in found.get("DeleteMarkers", [])]
    in_order = sorted(changes, key=lambda change: change[1]["LastModified"])
    return [f"{what} {entry['Key'].rpartition('/')[2]}" for what, entry in in_order]


def test_the_weights_come_first_and_the_config_last(s3: Any, trained: Path, access: S3Access) -> None:
    done = publish(trained, DEST, access=access)
    assert (str(done.uri), done.sent) == (DEST, (WEIGHTS, MANIFEST, CONFIG))
    found = there(s3)
    assert found[f"team/run-7/{WEIGHTS}"] == weights()
    assert found[f"team/run-7/{CONFIG}"] == b'{"r": 8}'
    assert set(json.loads(found[f"team/run-7/{MANIFEST}"])["files"]) == {CONFIG, WEIGHTS}
    assert len(found) == 3


def test_a_second_call_sends_nothing(s3: Any, trained: Path, access: S3Access) -> None:
    publish(trained, DEST, access=access)
    before = history(s3)
    assert publish(trained, DEST, access=access).sent == ()
    assert history(s3) == before


def test_a_missing_config_is_all_that_a_second_call_sends(s3: Any, trained: Path, access: S3Access) -> None:
    publish(trained, DEST, access=access)
    s3.delete_object(Bucket="models", Key=f"team/run-7/{CONFIG}")
    assert publish(trained, DEST, access=access).sent == (CONFIG,)


def test_an_old_config_is_removed_before_new_weights(
    s3: Any, trained: Path, access: S3Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(trained, DEST, access=access)
    seen, put = [], S3Place.put

    def watched(place: S3Place, source: Path, *more: Any) -> None:
        seen.append((source.name, f"team/run-7/{CONFIG}" in there(s3)))
        put(place, source, *more)

    monkeypatch.setattr(S3Place, "put", watched)
    write_folder(trained, b"new!", b'{"r": 4}')
    publish(trained, DEST, access=access)
    assert seen == [(WEIGHTS, False), (MANIFEST, False), (CONFIG, False)]
    assert there(s3)[f"team/run-7/{CONFIG}"] == b'{"r": 4}'


def test_objects_of_other_writers_are_sent_again(s3: Any, trained: Path, access: S3Access) -> None:
    s3.put_object(Bucket="models", Key=f"team/run-7/{WEIGHTS}", Body=b"x" * len(weights()))
    assert publish(trained, DEST, access=access).sent == (WEIGHTS, MANIFEST, CONFIG)
    assert there(s3)[f"team/run-7/{WEIGHTS}"] == weights()


def test_large_weights_are_sent_in_parts(s3: Any, tmp_path: Path, access: S3Access) -> None:
    trained, calls = write_folder(tmp_path / "large", b"\7" * (20 << 20)), []
    done = publish(trained, DEST, access=access, progress=lambda size, total: calls.append((size, total)))
    assert s3.head_object(Bucket="models", Key=f"team/run-7/{WEIGHTS}")["ETag"].endswith('-2"')
    assert there(s3)[f"team/run-7/{WEIGHTS}"] == weights(b"\7" * (20 << 20))
    assert {total for _, total in calls} == {sum(size for size, _ in calls)}
    assert sum(size for size, _ in calls) > done.size


def test_a_bucket_may_be_published_to_at_its_root(s3: Any, trained: Path, access: S3Access) -> None:
    publish(trained, "s3://models", access=access)
    assert set(there(s3)) == {WEIGHTS, MANIFEST, CONFIG}


def test_a_missing_bucket_is_named(server: str, trained: Path, access: S3Access) -> None:
    with pytest.raises(Unavailable) as raised:
        publish(trained, "s3://no-such-bucket/run-7", access=access)
    assert raised.value.code == "s3_no_such_bucket"
    assert "s3://no-such-bucket/run-7" in raised.value.sentence


def test_a_server_that_is_away_is_named(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish_s3, "_PATIENCE", Patience(attempts=1))
    with pytest.raises(Unavailable) as raised:
        publish(trained, DEST, access=S3Access("us-east-1", "http://127.0.0.1:9"))
    assert raised.value.code == "s3_unreachable"
    assert "127.0.0.1:9" in raised.value.sentence


def test_missing_credentials_are_explained(trained: Path, access: S3Access, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(Unavailable) as raised:
        publish(trained, DEST, access=access)
    assert raised.value.code == "s3_no_credentials"
    assert "AWS_PROFILE" in raised.value.sentence


@pytest.mark.parametrize(
    ("code", "status", "ours"),
    [
        ("403", 403, "s3_access_denied"),
        ("AccessDenied", 403, "s3_access_denied"),
        ("ExpiredToken", 400, "s3_expired"),
        ("TokenRefreshRequired", 400, "s3_expired"),
        ("InvalidAccessKeyId", 403, "s3_refused"),
        ("PermanentRedirect", 301, "s3_refused"),
    ],
)
def test_a_refusal_is_told_with_what_to_do(access: S3Access, code: str, status: int, ours: str) -> None:
    place = S3Place(AdapterURI.parse(DEST), access)
    with Stubber(place._client) as stub:
        stub.add_client_error("head_object", code, "no", status)
        with pytest.raises(Unavailable) as raised:
            place.listed(CONFIG)
    assert raised.value.code == ours
    assert DEST in raised.value.sentence


def test_the_bucket_owner_goes_with_every_call(access: S3Access) -> None:
    """The stand-in does not check it, so the test inspects the requests."""
    place = S3Place(AdapterURI.parse(DEST), access)
    asked = {"Bucket": "models", "Key": f"team/run-7/{CONFIG}", "ExpectedBucketOwner": "123456789012"}
    with Stubber(place._client) as stub:
        stub.add_client_error("head_object", "404", expected_params=asked)
        stub.add_response("delete_object", {}, asked)
        assert place.listed(CONFIG) is None
        place.remove(CONFIG)


def test_other_servers_are_called_by_path() -> None:
    """Such a server's name has no name below it for each bucket."""
    place = S3Place(AdapterURI.parse(DEST), S3Access("us-east-1", "http://storage.example:9000"))
    asked = place._client.generate_presigned_url("head_object", Params={"Bucket": "models", "Key": "run"})
    assert asked.startswith("http://storage.example:9000/models/run?")


def test_a_second_writer_is_noticed(access: S3Access, trained: Path, s3: Any) -> None:
    place = S3Place(AdapterURI.parse(DEST), access)
    head = place._client.head_object

    def overwrite_first(**at: str) -> Any:
        s3.put_object(Bucket="models", Key=f"team/run-7/{CONFIG}", Body=b"other")
        return head(**at)

    place._client.head_object = overwrite_first
    content = (trained / CONFIG).read_bytes()
    with pytest.raises(Unavailable) as raised:
        place.put(trained / CONFIG, Listed(hashlib.sha256(content).hexdigest(), len(content)), lambda _: None)
    assert raised.value.code == "s3_overwritten"
