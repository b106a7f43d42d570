"""The few things that are asked of a bucket: what is below a prefix, what an object is now, and its bytes."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hotswapd.loaders.store.store import READ_BYTES

from .calls import Calls
from .errors import S3Trouble

# More keys than anybody means to have below one prefix; a listing must have an end, whatever the server says.
_MAX_PAGES = 2000
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Object:
    """What an object was at one moment. `modified` is in seconds since the epoch, `version` is "" where not told.

    The ETag tells one content from another, and is never taken for a digest of it.
    """

    etag: str
    size: int
    modified: float
    version: str = ""

    @property
    def facts(self) -> tuple[str, int, int]:
        """Return what changes when it is written. A listing may know the time finer than the object's own answer."""
        return (self.etag, self.size, int(self.modified))


class Bucket:
    """One bucket, by way of `calls`, on one thread and within their `talking`. Each method raises S3Trouble."""

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
                raise self._calls.asked.trouble("bad_answer", "its listing goes in a circle")
            token = {"ContinuationToken": more}
        raise self._calls.asked.trouble("bad_answer", f"its listing has more than {_MAX_PAGES * _PAGE} keys")

    def head(self, key: str, *, sure: bool = False) -> Object | None:
        """Say what the object is now, None when there is none. `sure` says that the bucket is known to be there."""
        try:
            found = self._calls.call(lambda s3: s3.head_object(Bucket=self.name, Key=key))
        except S3Trouble as trouble:
            if trouble.kind == "not_found" and (sure or not self._has(key)):
                return None
            raise
        return self._of_answer(found)

    def start(self, key: str, pinned: Object, length: int, offset: int = 0) -> bytes:
        """Read up to `length` bytes from `offset` of the object as it was `pinned`; `changed` when it is not any more.

        `length` must be within the object.
        """
        last = min(offset + length, pinned.size) - 1
        answer = self._get(key, pinned, Range=f"bytes={offset}-{last}")
        body = answer["Body"]
        try:
            if offset and answer["ResponseMetadata"]["HTTPStatusCode"] != 206:
                raise self._calls.asked.trouble("bad_answer", "it does not know how to send a part of an object")
            with self._calls.explained():
                read: bytes = body.read(length)
        finally:
            body.close()
        return read

    def stream(self, key: str, pinned: Object) -> Generator[bytes, None, None]:
        """Yield the bytes of the object as it was `pinned`; `changed` when it is not any more. Close it when done."""
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
            raise self._calls.asked.trouble("damaged", f"{key} did not have its {pinned.size} bytes")

    def _page(self, **asked: Any) -> Any:
        page = self._calls.call(lambda s3: s3.list_objects_v2(Bucket=self.name, **asked))
        if not isinstance(page.get("IsTruncated"), bool):
            # Any well-formed page would else be taken for an empty bucket.
            raise self._calls.asked.trouble("bad_answer", "its listing is none")
        return page

    def _has(self, key: str) -> bool:
        """Ask again in another way: a HEAD does not tell a missing key from a missing bucket."""
        return any(entry.get("Key") == key for entry in self._page(Prefix=key, MaxKeys=1).get("Contents", []))

    def _get(self, key: str, pinned: Object, **more: str) -> Any:
        asked = {"Bucket": self.name, "Key": key, "IfMatch": f'"{pinned.etag}"', **more}
        answer = self._calls.call(lambda s3: s3.get_object(**asked))
        given = self._of_answer(answer)
        # Some servers do not know If-Match and send whatever is there.
        if given.etag != pinned.etag or (pinned.version and given.version != pinned.version):
            answer["Body"].close()
            raise self._calls.asked.trouble("changed")
        return answer

    def _of_answer(self, answer: Any) -> Object:
        with self._understood():
            etag, size = answer["ETag"].strip('"'), int(answer["ContentLength"])
            version = answer.get("VersionId") or ""
            return Object(etag, size, _seconds(answer["LastModified"]), "" if version == "null" else version)

    @contextmanager
    def _understood(self) -> Iterator[None]:
        """Turn a lack in an answer into S3Trouble."""
        try:
            yield
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._calls.asked.trouble("bad_answer", f"{error} is missing or odd") from error


def _of_listing(entry: Any) -> Object:
    return Object(entry["ETag"].strip('"'), int(entry["Size"]), _seconds(entry["LastModified"]))


def _seconds(moment: datetime) -> float:
    return moment.timestamp()
