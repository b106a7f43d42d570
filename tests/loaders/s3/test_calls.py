"""Calls end when nothing arrives for too long, and only then."""

import threading
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError
from kits.clock import LookedAt
from kits.waiting import until

from hotswapd.loaders.codes import BucketCode
from hotswapd.loaders.s3.calls import Calls
from hotswapd.loaders.s3.errors import CallContext, S3Trouble
from hotswapd.loaders.s3.session import Patience, S3Access


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> LookedAt:
    """The clock by which whoever watches a call loses patience."""
    made = LookedAt("wire")
    monkeypatch.setattr("hotswapd.loaders.wire.time", SimpleNamespace(monotonic=made))
    return made


@pytest.fixture
def calls(clock: LookedAt) -> Calls:
    """Calls that lose patience after a minute."""
    context = CallContext("s3://bucket/", "s3:GetObject")
    return Calls("s3", S3Access(), Patience(whole=60.0), context, threading.Event())


def test_a_slow_and_steady_fetch_is_not_cut(calls: Calls, clock: LookedAt) -> None:
    """It takes four times the patience, but each piece of it arrives in time."""
    with calls.talking():
        for _ in range(5):
            with calls.explained():
                clock.pass_by(50.0)


def test_a_silent_fetch_is_cut(calls: Calls, clock: LookedAt) -> None:
    with calls.talking():
        clock.now += 61.0
        wire = calls._wire
        assert wire is not None
        until(lambda: wire.cut_by, "it is never cut")
        with pytest.raises(S3Trouble) as raised, calls.explained():
            pytest.fail("it was cut")
    assert raised.value.code is BucketCode.UNREACHABLE
    assert "nothing useful came for 60 s" in raised.value.sentence


def test_a_call_outside_talking_is_a_defect(calls: Calls) -> None:
    with pytest.raises(RuntimeError, match="within talking"), calls.explained():
        pytest.fail("nobody watches it")


def test_no_call_is_made_after_the_limit(calls: Calls) -> None:
    with calls.talking(limit=-1.0), pytest.raises(S3Trouble, match="longer than -1 s"), calls.explained():
        pytest.fail("it is too late")


@pytest.mark.parametrize(
    ("code", "status", "tries", "clients"),
    [("ExpiredToken", 400, 2, 3), ("AccessDenied", 403, 1, 2), ("SlowDown", 503, 1, 1), ("NoSuchBucket", 404, 1, 1)],
)
def test_only_credentials_that_have_expired_are_worth_another_try(
    calls: Calls, monkeypatch: pytest.MonkeyPatch, code: str, status: int, tries: int, clients: int
) -> None:
    """At once, with a new client; the next call has a new one too wherever credentials may be at fault."""
    made: list[object] = []
    tried: list[object] = []

    def opened() -> object:
        made.append(object())
        return made[-1]

    monkeypatch.setattr(calls, "_open", opened)

    def fail(client: object) -> None:
        tried.append(client)
        error = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}
        raise ClientError(error, "GetObject")  # type: ignore[arg-type]

    with calls.talking():
        with pytest.raises(S3Trouble):
            calls.call(fail)
        assert (len(tried), tried) == (tries, made[:tries])
        assert calls.call(lambda client: client) is made[-1]
    assert len(made) == clients
