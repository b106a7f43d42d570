"""Calls end when nothing arrives for too long, and only then."""

import threading

import pytest

from hotswapd.loaders.codes import BucketCode
from hotswapd.loaders.s3.calls import Calls
from hotswapd.loaders.s3.errors import CallContext, S3Trouble
from hotswapd.loaders.s3.session import Patience, S3Access


@pytest.fixture
def calls() -> Calls:
    """Calls that lose patience after half a second."""
    context = CallContext("s3://bucket/", "s3:GetObject")
    return Calls("s3", S3Access(), Patience(whole=0.5), context, threading.Event())


def read(calls: Calls, seconds: float) -> None:
    with calls.explained():
        threading.Event().wait(seconds)


def test_a_slow_and_steady_fetch_is_not_cut(calls: Calls) -> None:
    """It takes four times the patience, but each piece of it arrives in time."""
    with calls.talking():
        for _ in range(10):
            read(calls, 0.2)


def test_a_silent_fetch_is_cut(calls: Calls) -> None:
    with calls.talking():
        read(calls, 1.0)
        with pytest.raises(S3Trouble) as raised:
            read(calls, 0.0)
    assert raised.value.code is BucketCode.UNREACHABLE
    assert "nothing useful came for 0.5 s" in raised.value.sentence


def test_a_call_outside_talking_is_a_defect(calls: Calls) -> None:
    with pytest.raises(RuntimeError, match="within talking"):
        read(calls, 0.0)


def test_no_call_is_made_after_the_limit(calls: Calls) -> None:
    with calls.talking(limit=-1.0), pytest.raises(S3Trouble, match="longer than -1 s"):
        read(calls, 0.0)
