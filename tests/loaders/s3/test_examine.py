"""What concerns one object makes it wait; any other failure is the source's, and is raised."""

import threading

import pytest
from kits.folders import weights

from hotswapd.codes import Code
from hotswapd.loaders.codes import BucketCode, WaitingCode
from hotswapd.loaders.files import CONFIG, WEIGHTS
from hotswapd.loaders.s3.calls import Calls
from hotswapd.loaders.s3.errors import CallContext, S3Trouble
from hotswapd.loaders.s3.examine import examine
from hotswapd.loaders.s3.listing import Keyed
from hotswapd.loaders.s3.objects import Bucket, Object
from hotswapd.loaders.s3.session import Patience, S3Access

CONTEXT = CallContext("s3://bucket/", "s3:GetObject")
FILES = {f"run/{CONFIG}": b"{}", f"run/{WEIGHTS}": weights()}


class FakeBucket(Bucket):
    """A bucket with two objects, or with a failure in place of the first one."""

    def __init__(self, failure: S3Trouble | None = None) -> None:
        super().__init__("bucket", Calls("s3", S3Access(), Patience(), CONTEXT, threading.Event()))
        self._failure = failure

    def start(self, key: str, pinned: Object, length: int, offset: int = 0) -> bytes:
        if self._failure is not None:
            raise self._failure
        return FILES[key][offset : offset + length]


@pytest.fixture
def keyed() -> Keyed:
    return Keyed("run", {name: Object("etag", len(FILES[f"run/{name}"]), 1.0) for name in (CONFIG, WEIGHTS)})


def test_a_whole_adapter_lacks_nothing(keyed: Keyed) -> None:
    assert examine(FakeBucket(), "run/", keyed, 1 << 20) is None


def test_half_a_pair_is_incomplete(keyed: Keyed) -> None:
    del keyed.objects[WEIGHTS]
    waiting = examine(FakeBucket(), "run/", keyed, 1 << 20)
    assert waiting is not None
    assert waiting.code is WaitingCode.INCOMPLETE


@pytest.mark.parametrize(
    ("failure", "waits_for"),
    [
        (BucketCode.CHANGED, WaitingCode.SETTLING),
        (BucketCode.NOT_FOUND, WaitingCode.SETTLING),
        (BucketCode.ACCESS_DENIED, WaitingCode.PERMISSION),
        (BucketCode.ARCHIVED, WaitingCode.ARCHIVED),
        (BucketCode.REFUSED, BucketCode.REFUSED),
        (BucketCode.DAMAGED, BucketCode.DAMAGED),
    ],
)
def test_a_failure_of_one_object_makes_it_wait(keyed: Keyed, failure: Code, waits_for: Code) -> None:
    waiting = examine(FakeBucket(CONTEXT.trouble(failure)), "run/", keyed, 1 << 20)
    assert waiting is not None
    assert waiting.code is waits_for


@pytest.mark.parametrize(
    "failure", [BucketCode.UNREACHABLE, BucketCode.EXPIRED, BucketCode.SLOW_DOWN, BucketCode.SERVER_ERROR]
)
def test_any_other_failure_is_the_sources(keyed: Keyed, failure: Code) -> None:
    with pytest.raises(S3Trouble) as raised:
        examine(FakeBucket(CONTEXT.trouble(failure)), "run/", keyed, 1 << 20)
    assert raised.value.code is failure
