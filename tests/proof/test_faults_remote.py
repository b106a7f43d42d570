"""One real daemon with some forty sources, each of which fails in a way of its own, all at the same time.

The buckets are a real server's behind a proxy that misbehaves; the Hub is a server that speaks its protocol.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from kits import s3 as s3_kit
from kits.alone import start_alone
from kits.faults import asked_all_the_while, goes_live, offer, only_in_full
from kits.folders import CONFIG, WEIGHTS
from kits.hub_server import HubServer
from kits.room import Room, folder, home, make_room
from kits.s3_proxy import S3Proxy, answering, cutting, hanging_up, refusing, shortening

PAGE = b'<?xml version="1.0"?><ListBucketResult><Name>b</Name>%s</ListBucketResult>'
CIRCLE = PAGE % b"<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>"
Act = Callable[[Any], None]
pytestmark = only_in_full


def nonsense(exchange: Any) -> None:
    exchange.wfile.write(b"\x16\x03\x01 this is no HTTP\r\n\r\n")
    exchange.close_connection = True


def no(status: int, code: str = "", **headers: str) -> Act:
    """Answer as a Hub refuses."""
    return lambda exchange: exchange.refuse(status, code, headers)


def says(status: int, body: bytes = b"", **headers: str) -> Act:
    return lambda exchange: exchange.send(status, body, headers)


def whole_only(act: Act) -> Act:
    """Let requests for a part of a file pass, and misbehave when all of it is wanted."""
    return lambda exchange: exchange.pass_on() if exchange.headers.get("Range") else act(exchange)


def half(exchange: Any) -> None:
    """Send half of a file as if it were all of it."""
    exchange.send(200, b"half of it")


S3_LOOKS: dict[str, tuple[Act, str]] = {
    "access-denied": (refusing(403, "AccessDenied"), "s3_access_denied"),
    "no-such-bucket": (refusing(404, "NoSuchBucket"), "s3_no_such_bucket"),
    "expired-token": (refusing(400, "ExpiredToken"), "s3_expired"),
    "unknown-key": (refusing(403, "InvalidAccessKeyId"), "s3_bad_credentials"),
    "wrong-secret": (refusing(403, "SignatureDoesNotMatch"), "s3_bad_credentials"),
    "clock-skew": (refusing(403, "RequestTimeTooSkewed"), "s3_clock_skew"),
    "slow-down": (refusing(503, "SlowDown"), "s3_slow_down"),
    "too-many": (refusing(429, "TooManyRequests"), "s3_slow_down"),
    "internal-error": (refusing(500, "InternalError"), "s3_server_error"),
    "bad-gateway": (answering(502, b"<html>bad gateway</html>"), "s3_server_error"),
    "redirect": (refusing(307, "TemporaryRedirect", Location="http://elsewhere.invalid/"), "s3_wrong_region"),
    "not-implemented": (refusing(501, "NotImplemented"), "s3_server_error"),
    "garbage-xml": (answering(200, b"\0\1 no xml"), "s3_server_error"),
    "sign-in-page": (answering(200, b"<html><body>sign in</body></html>"), "s3_bad_answer"),
    "circle": (answering(200, CIRCLE), "s3_bad_answer"),
    "hangs-up": (hanging_up, "s3_unreachable"),
    "no-http": (nonsense, "s3_unreachable"),
}
S3_FETCHES: dict[str, tuple[Act, str]] = {
    "changed-under-it": (refusing(412, "PreconditionFailed"), "changed"),
    "forbidden-file": (refusing(403, "AccessDenied"), "s3_access_denied"),
    "file-error": (refusing(500, "InternalError"), "s3_server_error"),
    "reset-in-the-body": (cutting, "s3_damaged"),
    "short-body": (shortening, "s3_damaged"),
}
HUB_LOOKS: dict[str, tuple[Act, str]] = {
    "unauthorized": (no(401), "hub_not_found"),
    "gated": (no(403, "GatedRepo"), "hub_gated"),
    "forbidden": (no(403), "hub_forbidden"),
    "not-found": (no(404, "RepoNotFound"), "hub_not_found"),
    "no-revision": (no(404, "RevisionNotFound"), "hub_revision_not_found"),
    "rate-limit": (no(429), "rate_limited"),
    "error-500": (no(500), "hub_server_error"),
    "gateway-502": (no(502), "hub_server_error"),
    "unavailable-503": (no(503), "hub_server_error"),
    "login-page": (says(200, b"hello"), "hub_bad_answer"),
    "closes": (hanging_up, "hub_unreachable"),
    "gibberish": (nonsense, "hub_unreachable"),
}
HUB_FETCHES: dict[str, tuple[Act, str]] = {
    "file-limit": (no(429), "rate_limited"),
    "file-503": (no(503), "hub_server_error"),
    "file-hangs-up": (hanging_up, "hub_unreachable"),
    "other-bytes": (half, "digest_mismatch"),
}
LOOKS = {**{f"s3-{n}": c for n, (_, c) in S3_LOOKS.items()}, **{f"hub-{n}": c for n, (_, c) in HUB_LOOKS.items()}}
FETCHES = {**{f"s3-{n}": c for n, (_, c) in S3_FETCHES.items()}, **{f"hub-{n}": c for n, (_, c) in HUB_FETCHES.items()}}


@dataclass
class Storm:
    """What each source reported while it failed, and whether it recovered."""

    down: dict[str, set[str]] = field(default_factory=dict)
    waited: dict[str, set[str]] = field(default_factory=dict)
    unwell: set[str] = field(default_factory=set)
    ends: dict[str, str] = field(default_factory=dict)
    live: int = -1
    answers: int = 0


@pytest.fixture(scope="module")
def storm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storm]:
    """Let everything fail at once while a client asks, repair it, and gather what was reported."""
    root = tmp_path_factory.mktemp("storm")
    patch = pytest.MonkeyPatch()
    s3_kit.set_credentials(patch, root)
    with s3_kit.seaweed(root / "seaweed") as weed, HubServer() as hub:
        bucket = s3_kit.new_place(weed)
        with S3Proxy(weed) as proxy, make_room(root / "room") as room:
            _write_all(room, bucket, proxy, hub)
            start_alone(room)
            yield _weather(room, bucket, proxy, hub)
    patch.undo()


def _write_all(room: Room, bucket: s3_kit.Place, proxy: S3Proxy, hub: HubServer) -> None:
    tables = [folder()]
    for name in (*S3_LOOKS, *S3_FETCHES):
        usual = f'kind = "s3"\nname = "s3-{name}"\nuri = "s3://{bucket.bucket}/{name}/"\nregion = "us-east-1"'
        tables.append(f'{usual}\nendpoint_url = "{proxy.url}"\npoll = 0.5')
    for name in (*HUB_LOOKS, *HUB_FETCHES):
        hub.commit(f"org/{name}", {"README.md": b"words"})
        tables.append(f'kind = "hub"\nname = "hub-{name}"\nrepo = "org/{name}"\nendpoint = "{hub.url}"\npoll = 0.5')
    room.configure(source="\n[[source]]\n".join(tables))


def _weather(room: Room, bucket: s3_kit.Place, proxy: S3Proxy, hub: HubServer) -> Storm:
    goes_live(room, room.drop("run-0"))
    room.until(lambda: not _unwell(room), "not every source is well at first")
    with asked_all_the_while(room) as clients:
        _break(bucket, proxy, hub)
        room.until(lambda: _all_told(_heard(room)), f"some say nothing: {_heard(room)}")
        storm = _heard(room)
        storm.live = room.live()
        proxy.mend()
        hub.mend()
        room.until(lambda: not _unwell(room), f"some stay down: {_unwell(room)}", 120.0)
        room.until(lambda: not room.status()["queue"], "some stay in the queue", 120.0)
        goes_live(room, offer(room))
    storm.unwell, storm.answers = _unwell(room), len(clients.heard)
    storm.ends = {row["source"]: row["state"] for row in reversed(_rows(room))}
    return storm


def _break(bucket: s3_kit.Place, proxy: S3Proxy, hub: HubServer) -> None:
    """Put a fault in the way of each source; those whose fetches fail have something to fetch."""
    for name, (act, _) in S3_LOOKS.items():
        proxy.fault(f"GET .*list-type.*prefix={name}%2F", act)
    for name, (act, _) in HUB_LOOKS.items():
        hub.fault(f"api HEAD .*org/{name}/", act)
    for name, (act, _) in S3_FETCHES.items():
        proxy.fault(f"GET .*{name}/{WEIGHTS}", whole_only(act))
        for file in (WEIGHTS, CONFIG):
            bucket.client.put_object(
                Bucket=bucket.bucket, Key=f"{name}/{file}", Body=(home() / "run-1" / file).read_bytes()
            )
    for name, (act, _) in HUB_FETCHES.items():
        hub.fault(f"cdn GET .*org/{name}/", act)
        hub.commit(f"org/{name}", {file: (home() / "run-2" / file).read_bytes() for file in (CONFIG, WEIGHTS)})


def _heard(room: Room) -> Storm:
    """Gather which codes each source has been down with, and its adapters have waited for."""
    storm = Storm()
    for event in room.events("source_down"):
        storm.down.setdefault(event["source"], set()).add(event["code"])
    for event in room.events("WAITING"):
        if event["reason"] != "settling":
            storm.waited.setdefault(event["source"], set()).add(event["reason"])
    return storm


def _all_told(storm: Storm) -> bool:
    return storm.down.keys() >= LOOKS.keys() and storm.waited.keys() >= FETCHES.keys()


def _unwell(room: Room) -> set[str]:
    return {str(source["name"]) for source in room.status()["sources"] if not source["ok"]}


def _rows(room: Room) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = room.client.get("/history?limit=500")
    for row in rows:
        scheme, _, rest = str(row["uri"]).partition("://")
        parts = rest.split("/")
        row["source"] = f"s3-{parts[1]}" if scheme == "s3" else f"hub-{parts[1]}" if scheme == "hf" else "folder"
    return rows


@pytest.mark.parametrize("name", LOOKS)
def test_a_source_that_cannot_scan_is_down_by_name(storm: Storm, name: str) -> None:
    """With its own code while the fault lasts; it recovers by itself."""
    assert LOOKS[name] in storm.down[name]
    assert name not in storm.unwell


@pytest.mark.parametrize("name", FETCHES)
def test_an_adapter_that_cannot_be_fetched_waits_by_name(storm: Storm, name: str) -> None:
    """WAITING with its own code while it lasts; in the end it went live, or gave way to one that did."""
    assert FETCHES[name] in storm.waited[name]
    assert storm.ends[name] in {"LIVE", "RETIRED", "SUPERSEDED"}


def test_with_every_source_down_what_is_live_answers(storm: Storm) -> None:
    """Not one of the requests that were sent all the while failed, and none was answered wrongly."""
    assert storm.live == 1
    assert storm.answers > 20
