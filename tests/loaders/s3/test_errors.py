"""Each thing that goes wrong at a bucket has its own code and sentence, changes nothing, and passes by itself."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from kits.folders import CONFIG, WEIGHTS
from kits.s3 import GO, KEY, OWNER, SECRET, Place, fails, opened, serves, sight, sights
from kits.s3_proxy import Exchange, S3Proxy, answering, hanging_up, refusing

from hotswapd.loaders.errors import SourceDown, Unavailable
from hotswapd.loaders.s3.session import Patience, S3Access, make_client
from hotswapd.loaders.store.store import Store

Act = Callable[[Exchange], None]


def nonsense(exchange: Exchange) -> None:
    exchange.wfile.write(b"\x16\x03\x01 this is no HTTP\r\n\r\n")
    exchange.close_connection = True


PAGE = b'<?xml version="1.0"?><ListBucketResult><Name>b</Name>%s</ListBucketResult>'
CIRCLE = PAGE % b"<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>"
FAULTS: list[tuple[Act, str, str]] = [
    (refusing(403, "AccessDenied"), "s3_access_denied", "allow s3:ListBucket"),
    (refusing(403, "AllAccessDisabled"), "s3_access_denied", "expected_bucket_owner"),
    (refusing(404, "NoSuchBucket"), "s3_no_such_bucket", "check its name, region and endpoint_url"),
    (refusing(400, "ExpiredToken"), "s3_expired", "have expired: renew them"),
    (refusing(403, "InvalidAccessKeyId"), "s3_bad_credentials", "InvalidAccessKeyId"),
    (refusing(403, "SignatureDoesNotMatch"), "s3_bad_credentials", "check both keys"),
    (refusing(403, "RequestTimeTooSkewed"), "s3_clock_skew", "set the clock"),
    (refusing(503, "SlowDown"), "s3_slow_down", "asks to slow down (SlowDown)"),
    (refusing(429, "TooManyRequests"), "s3_slow_down", "the next try is later"),
    (refusing(503, "ServiceUnavailable"), "s3_slow_down", "the next try is later"),
    (refusing(500, "InternalError"), "s3_server_error", "InternalError"),
    (refusing(502, "WhoKnows"), "s3_server_error", "WhoKnows"),
    (answering(502, b"<html>bad gateway</html>"), "s3_server_error", "502"),
    (refusing(307, "TemporaryRedirect", Location="http://elsewhere.invalid/"), "s3_wrong_region", "set region"),
    (refusing(400, "AuthorizationHeaderMalformed"), "s3_wrong_region", "another region"),
    (refusing(400, "InvalidRequest", "a rule\nof theirs"), "s3_refused", "InvalidRequest (a rule of theirs)"),
    (refusing(501, "NotImplemented"), "s3_server_error", "NotImplemented"),
    (answering(200, b"<html><body>sign in</bo"), "s3_server_error", "something unreadable"),
    (answering(200, b"\0\1 no xml"), "s3_server_error", "check endpoint_url"),
    (answering(403, b"\0\1 no xml"), "s3_access_denied", "does not let these credentials"),
    (answering(200, b"<html><body>sign in</body></html>"), "s3_bad_answer", "did not send a listing"),
    (answering(200, CIRCLE), "s3_bad_answer", "goes in a circle"),
    (
        answering(200, PAGE % b"<IsTruncated>false</IsTruncated><Contents><Key>runs/a</Key></Contents>"),
        "s3_bad_answer",
        "is missing or odd",
    ),
    (hanging_up, "s3_unreachable", "check network, proxy, region and endpoint_url"),
    (nonsense, "s3_unreachable", "check network, proxy, region and endpoint_url"),
]


@pytest.mark.parametrize(("act", "code", "words"), FAULTS, ids=[f"{n}-{row[1]}" for n, row in enumerate(FAULTS)])
def test_each_failure_of_a_scan_has_a_code_and_passes(
    place: Place, proxy: S3Proxy, act: Act, code: str, words: str
) -> None:
    place.adapter()
    with opened(place) as source:
        proxy.fault("GET .*list-type", act)
        with pytest.raises(SourceDown) as raised:
            source.scan()
        assert raised.value.code == code
        assert words in raised.value.sentence
        assert place.uri.rstrip("/") in raised.value.sentence
        proxy.mend()
        sight(source)


FETCH_FAULTS: list[tuple[Act, str]] = [
    (refusing(403, "AccessDenied"), "s3_access_denied"),
    (refusing(412, "PreconditionFailed"), "changed"),
    (refusing(503, "SlowDown"), "s3_slow_down"),
    (refusing(500, "InternalError"), "s3_server_error"),
    (refusing(301, "PermanentRedirect"), "s3_wrong_region"),
    (hanging_up, "s3_unreachable"),
    (nonsense, "s3_unreachable"),
]


@pytest.mark.parametrize("where", [f"HEAD .*{CONFIG}", f"GET .*{WEIGHTS}"])
@pytest.mark.parametrize(("act", "code"), FETCH_FAULTS, ids=[f"{n}-{row[1]}" for n, row in enumerate(FETCH_FAULTS)])
def test_each_failure_of_a_fetch_waits_and_leaves_nothing(
    place: Place, proxy: S3Proxy, store: Store, where: str, act: Act, code: str
) -> None:
    place.adapter()
    with opened(place) as source:
        sighting = sight(source)
        proxy.fault(where, act)
        error = fails(source, sighting, store)
        assert isinstance(error, Unavailable)
        assert error.code == code
        proxy.mend()
        serves(source, store, b"\1\2\3\4")


def test_a_transient_fault_is_retried_within_the_call(place: Place, proxy: S3Proxy) -> None:
    place.adapter()
    proxy.fault("GET .*list-type", refusing(503, "SlowDown"), times=1)
    with opened(place, patience=Patience(attempts=3)) as source:
        sight(source)


def test_a_wait_that_the_server_names_is_passed_on(place: Place, proxy: S3Proxy) -> None:
    proxy.fault("GET .*list-type", refusing(503, "SlowDown", Retry_After="40"))
    with opened(place) as source, pytest.raises(SourceDown) as raised:
        source.scan()
    assert raised.value.retry_after == 40.0


@pytest.mark.parametrize(
    ("status", "code", "ours"),
    [
        (403, "AccessDenied", "permission"),
        (403, "InvalidObjectState", "archived"),
        (400, "KMS.DisabledException", "s3_refused"),
        (412, "PreconditionFailed", "settling"),
    ],
)
def test_a_failure_of_one_adapter_stops_no_other(
    place: Place, proxy: S3Proxy, status: int, code: str, ours: str
) -> None:
    place.adapter("bad")
    place.adapter("good")
    proxy.fault(f"GET .*bad/{CONFIG}", refusing(status, code))
    with opened(place) as source:
        assert sights(source) == {"bad": ours, "good": ""}
        proxy.mend()
        assert sights(source) == {"bad": "", "good": ""}


def test_a_wrong_secret_is_told_by_a_real_server(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with opened(place) as source, pytest.raises(SourceDown) as raised:
        source.scan()
    assert raised.value.code == "s3_bad_credentials"
    assert "wrong" not in raised.value.sentence


def test_a_missing_bucket_is_down_until_it_is_made(place: Place) -> None:
    with opened(place, uri="s3://not-there-yet/runs/") as source:
        with pytest.raises(SourceDown) as raised:
            source.scan()
        assert raised.value.code == "s3_no_such_bucket"
        place.client.create_bucket(Bucket="not-there-yet")
        assert sights(source) == {}


def test_missing_credentials_are_explained(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with opened(place) as source:
        with pytest.raises(SourceDown) as raised:
            source.scan()
        assert raised.value.code == "s3_no_credentials"
        assert "AWS_SHARED_CREDENTIALS_FILE" in raised.value.sentence
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        assert sights(source) == {}


def test_a_broken_client_configuration_is_down(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "missing")
    with opened(place) as source:
        with pytest.raises(SourceDown) as raised:
            source.scan()
        assert raised.value.code == "s3_misconfigured"
        monkeypatch.delenv("AWS_PROFILE")
        assert sights(source) == {}


def rotate(file: Path, key: str) -> None:
    """Write new credentials as an agent does, in one step."""
    fresh = file.with_suffix(".new")
    fresh.write_text(f"[default]\naws_access_key_id = {key}\naws_secret_access_key = {SECRET}\n")
    fresh.rename(file)


@pytest.mark.parametrize("where", ["look", "fetch"])
@pytest.mark.parametrize(
    "expired",
    [
        refusing(400, "ExpiredToken"),
        refusing(403, "InvalidAccessKeyId"),
        refusing(400, "TokenRefreshRequired"),
    ],
)
def test_expired_credentials_are_read_again_within_the_call(
    place: Place,
    proxy: S3Proxy,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    expired: Act,
    where: str,
) -> None:
    place.adapter()
    file = tmp_path / "credentials"
    rotate(file, KEY)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    sessions: list[str] = []

    def making(service: str, access: S3Access, patience: Patience) -> object:
        sessions.append(service)
        return make_client(service, access, patience)  # type: ignore[arg-type]

    monkeypatch.setattr("hotswapd.loaders.s3.calls.make_client", making)
    with opened(place) as source:
        sighting = sight(source)
        proxy.fault("GET .*list-type" if where == "look" else "(HEAD|GET) ", expired, times=1)
        if where == "look":
            sight(source)
        else:
            source.fetch(sighting, store, GO)
    assert len(sessions) == (2 if where == "look" else 3)


def test_renewed_credentials_are_used_at_the_next_scan(place: Place, proxy: S3Proxy) -> None:
    place.adapter()
    with opened(place) as source:
        proxy.fault(".", refusing(400, "ExpiredToken"))
        with pytest.raises(SourceDown) as raised:
            source.scan()
        assert raised.value.code == "s3_expired"
        proxy.mend()
        sight(source)


def test_the_bucket_owner_goes_with_every_call(place: Place, proxy: S3Proxy, store: Store) -> None:
    """Even calls that the client library itself makes to find a bucket's region."""
    place.adapter()
    with opened(place, expected_bucket_owner=OWNER) as source:
        proxy.fault(f"HEAD .*{CONFIG}", refusing(301, "PermanentRedirect"), times=1)
        fails(source, sight(source), store)
        serves(source, store, b"\1\2\3\4")
    assert {seen.line.partition(" ")[0] for seen in proxy.seen} == {"GET", "HEAD"}
    assert f"HEAD /{place.bucket}" in {seen.line for seen in proxy.seen}
    assert {seen.headers.get("x-amz-expected-bucket-owner") for seen in proxy.seen} == {OWNER}


def test_without_an_owner_none_is_sent(place: Place, proxy: S3Proxy) -> None:
    with opened(place) as source:
        source.scan()
    assert all("x-amz-expected-bucket-owner" not in seen.headers for seen in proxy.seen)


@pytest.mark.parametrize(
    ("endpoint", "checksums", "style"),
    [
        ("", "when_supported", "auto"),
        ("https://s3.eu-west-1.amazonaws.com", "when_supported", "auto"),
        ("http://minio:9000", "when_required", "path"),
    ],
)
def test_no_limit_is_left_to_the_library(place: Place, endpoint: str, checksums: str, style: str) -> None:
    patience = Patience(connect=1.0, read=2.0, attempts=4)
    config = make_client("s3", S3Access("eu-west-1", endpoint), patience).meta.config
    assert (config.connect_timeout, config.read_timeout, config.max_pool_connections) == (1.0, 2.0, 8)
    assert config.retries["mode"] == "standard"
    assert config.retries["total_max_attempts"] == 4
    assert (config.request_checksum_calculation, config.response_checksum_validation) == (checksums, checksums)
    assert config.s3["addressing_style"] == style


def test_no_secret_stands_in_any_sentence(place: Place, proxy: S3Proxy) -> None:
    with opened(place) as source:
        for act in (row[0] for row in FAULTS[:8]):
            proxy.fault("GET", act, times=2)
            with pytest.raises(SourceDown) as raised:
                source.scan()
            assert os.environ["AWS_SECRET_ACCESS_KEY"] not in raised.value.sentence
            proxy.mend()
