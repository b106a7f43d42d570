"""The few calls that a source makes to a bucket: list a prefix, describe an object, read its bytes."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hotswapd.loaders.codes import BucketCode
from hotswapd.loaders.store.store import READ_BYTES

from .calls import Calls
from .errors import S3Trouble

# More keys than anybody puts below one prefix on purpose; a listing must end, whatever the server says.
_MAX_PAGES = 2000
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Object:
    """What an object was at one moment. `modified` is in seconds since the epoch, `version` is "" if unknown.

    The ETag distinguishes contents; it is never taken for a digest.
    """

    etag: str
    size: int
    modified: float
    version: str = ""

    @property
    def facts(self) -> tuple[str, int, int]:
        """Return what changes when it is written, in whole seconds: a listing may be more precise than a HEAD."""
        return (self.etag, self.size, int(self.modified))


class Bucket:
    """One bucket, through `calls`, on one thread and within their `talking`. Each method raises S3Trouble."""

    def __init__(self, name: str, calls: Calls) -> None:
        self.name = name
        self._calls = calls

    def listing(self, prefix: str) -> Iterator[tuple[str, Object]]:
        """Yield each key below `prefix` with its object, a page at a time."""
        token: dict[str, str] = {}
        for _ in range(_MAX_PAGES):
            page = self._page(Prefix=prefix, MaxKeys=_PAGE, **token)
            with self._understood():
                found = [(entry["Key"], _of_listing(entry)) for entry in page.get("Contents", [])]
                more = page["IsTruncated"] and page["NextContinuationToken"]
            yield from ((key, there) for key, there in found if key.startswith(prefix))
            if not more:
                return
            if token.get("ContinuationToken") == more:
                raise self._calls.context.trouble(BucketCode.BAD_ANSWER, "its listing goes in a circle")
            token = {"ContinuationToken": more}
        raise self._calls.context.trouble(BucketCode.BAD_ANSWER, f"its listing has more than {_MAX_PAGES * _PAGE} keys")

    def head(self, key: str, *, sure: bool = False) -> Object | None:
        """Return what the object is now, or None if there is none. `sure` means that the bucket is known to exist."""
        try:
            found = self._calls.call(lambda s3: s3.head_object(Bucket=self.name, Key=key))
        except S3Trouble as trouble:
            if trouble.code is BucketCode.NOT_FOUND and (sure or not self._has(key)):
                return None
            raise
        return self._of_answer(found)

    def start(self, key: str, pinned: Object, length: int, offset: int = 0) -> bytes:
        """Read up to `length` bytes from `offset`; raise `changed` if the object is no longer as it was `pinned`.

        `length` must be within the object.
        """
        last = min(offset + length, pinned.size) - 1
        answer = self._get(key, pinned, Range=f"bytes={offset}-{last}")
        body = answer["Body"]
        try:
            if offset and answer["ResponseMetadata"]["HTTPStatusCode"] != 206:
                raise self._calls.context.trouble(BucketCode.BAD_ANSWER, "it does not send parts of objects")
            with self._calls.explained():
                read: bytes = body.read(length)
        finally:
            body.close()
        return read

    def stream(self, key: str, pinned: Object) -> Generator[bytes, None, None]:
        """Yield the object's bytes; raise `changed` if it is no longer as it was `pinned`. Close the iterator."""
        left = pinned.size
        body = self._get(key, pinned)["Body"]
        try:
            while True:
                with self._calls.explained():
                    chunk = body.read(READ_BYTES)
                left -= len(chunk)
                if not chunk or left < 0:
                    break
                yield chunk
        finally:
            body.close()
        if left:
            raise self._calls.context.trouble(BucketCode.DAMAGED, f"{key} did not have its {pinned.size} bytes")

    def _page(self, **asked: Any) -> Any:
        page = self._calls.call(lambda s3: s3.list_objects_v2(Bucket=self.name, **asked))
        if not isinstance(page.get("IsTruncated"), bool):
            # Otherwise any well-formed page would pass for an empty bucket.
            raise self._calls.context.trouble(BucketCode.BAD_ANSWER, "it did not send a listing")
        return page

    def _has(self, key: str) -> bool:
        """Check by a listing, because a HEAD does not distinguish a missing key from a missing bucket."""
        return any(entry.get("Key") == key for entry in self._page(Prefix=key, MaxKeys=1).get("Contents", []))

    def _get(self, key: str, pinned: Object, **more: str) -> Any:
        asked = {"Bucket": self.name, "Key": key, "IfMatch": f'"{pinned.etag}"', **more}
        answer = self._calls.call(lambda s3: s3.get_object(**asked))
        given = self._of_answer(answer)
        # Some servers ignore If-Match and send the present object.
        if given.etag != pinned.etag or (pinned.version and given.version != pinned.version):
            answer["Body"].close()
            raise self._calls.context.trouble(BucketCode.CHANGED)
        return answer

    def _of_answer(self, answer: Any) -> Object:
        with self._understood():
            etag, size = answer["ETag"].strip('"'), int(answer["ContentLength"])
            version = answer.get("VersionId") or ""
            return Object(etag, size, _seconds(answer["LastModified"]), "" if version == "null" else version)

    @contextmanager
    def _understood(self) -> Iterator[None]:
        """Turn what an answer lacks into S3Trouble."""
        try:
            yield
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._calls.context.trouble(BucketCode.BAD_ANSWER, f"{error} is missing or odd") from error


def _of_listing(entry: Any) -> Object:
    return Object(entry["ETag"].strip('"'), int(entry["Size"]), _seconds(entry["LastModified"]))


def _seconds(moment: datetime) -> float:
    return moment.timestamp()
