"""A prefix in a bucket whose server knows conditional writes."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import BotoCoreError, ClientError

from hotswapd.daemon.errors import FleetCode
from hotswapd.loaders.errors import Unavailable
from hotswapd.loaders.s3.session import Patience, S3Access, make_client

from .place import not_shared

_CHUNK = 1 << 20
_PATIENCE = Patience(connect=5.0, read=20.0, attempts=3)
_TAKEN = ("PreconditionFailed", "412", "ConditionalRequestConflict", "409")
_ABSENT = ("NoSuchKey", "404", "NotFound")
_PARTS = TransferConfig(multipart_threshold=16 << 20, max_concurrency=4, preferred_transfer_client="classic")


class BucketPlace:
    """A `Place` below ``s3://bucket/prefix``. A name is given by a write that asks for no object of this key."""

    def __init__(self, bucket: str, prefix: str, access: S3Access) -> None:
        """Make the client, which any thread may use. Raises Unavailable for settings that do not allow that."""
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/".lstrip("/")
        with self._errors():
            self._client: Any = make_client("s3", access, _PATIENCE)

    def __str__(self) -> str:
        """Return the address."""
        return f"s3://{self._bucket}/{self._prefix}"

    def create(self, name: str, content: bytes) -> bool:
        """Put it with ``If-None-Match: *``."""
        with self._errors():
            try:
                self._client.put_object(**self._at(name), Body=content, IfNoneMatch="*")
            except ClientError as error:
                if _code(error) in _TAKEN:
                    return False
                raise
            return True

    def read(self, name: str) -> bytes | None:
        """Get the object."""
        with self._errors():
            found = self._absent_is_none(self._client.get_object, name)
            return None if found is None else bytes(found["Body"].read())

    def has(self, name: str) -> bool:
        """Ask for the object's head."""
        with self._errors():
            return self._absent_is_none(self._client.head_object, name) is not None

    def names(self, folder: str) -> list[str]:
        """List the keys below the folder."""
        at = f"{self._prefix}{folder}/"
        with self._errors():
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=at)
            return sorted(one["Key"].removeprefix(at) for page in pages for one in page.get("Contents", ()))

    def remove(self, name: str) -> None:
        """Delete the object."""
        with self._errors():
            self._client.delete_object(**self._at(name))

    def send(self, name: str, source: Path) -> None:
        """Upload the file, in parts if it is large; a key that exists has these bytes already."""
        if not self.has(name):
            with self._errors():
                self._client.upload_file(str(source), **self._at(name), Config=_PARTS)

    def chunks(self, name: str) -> Iterable[bytes]:
        """Read the object."""
        with self._errors():
            found = self._absent_is_none(self._client.get_object, name)
            if found is None:
                raise not_shared(name, self)
            yield from found["Body"].iter_chunks(_CHUNK)

    def _at(self, name: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": f"{self._prefix}{name}"}

    def _absent_is_none(self, call: Any, name: str) -> Any:
        try:
            return call(**self._at(name))
        except ClientError as error:
            if _code(error) in _ABSENT:
                return None
            raise

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn what the client raises into Unavailable."""
        try:
            yield
        except (BotoCoreError, ClientError, OSError, ValueError) as error:
            sentence = f"s3://{self._bucket} cannot be used as fleet.shared: {error}; check the address and credentials"
            raise Unavailable(FleetCode.SHARED_DOWN, sentence) from error


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
