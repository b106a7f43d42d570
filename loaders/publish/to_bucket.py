"""A prefix in a bucket as a place to publish to."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from hotswapd.loaders.codes import BucketCode, PublishCode
from hotswapd.loaders.digests import Listed
from hotswapd.loaders.errors import Unavailable
from hotswapd.loaders.s3.session import Patience, S3Access, make_client
from hotswapd.loaders.uri import AdapterURI

_PART = 16 << 20
# A training job would rather wait than lose an upload.
_PATIENCE = Patience(connect=10.0, read=60.0, attempts=5)
_WHY = {
    "AccessDenied": "the credentials are wrong or may not do that: allow s3:GetObject, s3:PutObject, "
    "s3:DeleteObject and s3:ListBucket there, and check expected_bucket_owner",
    "NoSuchBucket": "there is no such bucket: check its name, region and endpoint_url",
    "ExpiredToken": "the credentials have expired: renew them and publish again",
    "InvalidAccessKeyId": "the access key is unknown there: check the credentials and endpoint_url",
    "SignatureDoesNotMatch": "the secret key does not fit the access key: check the credentials",
}
_CODES = {
    "AccessDenied": BucketCode.ACCESS_DENIED,
    "NoSuchBucket": BucketCode.NO_SUCH_BUCKET,
    "ExpiredToken": BucketCode.EXPIRED,
}
_SAME = {"403": "AccessDenied", "Forbidden": "AccessDenied", "TokenRefreshRequired": "ExpiredToken"}


class S3Place:
    """The keys below ``s3://bucket/prefix/``. Used by one thread, which may call `sent` on others."""

    def __init__(self, uri: AdapterURI, access: S3Access) -> None:
        """Make the client. Raises Unavailable if the settings do not allow that."""
        self._uri = uri
        self._bucket, _, self._prefix = uri.location.partition("/")
        with self._errors():
            self._client = make_client("s3", access, _PATIENCE)

    def listed(self, name: str) -> Listed | None:
        """Return the digest and size of an object, or None. One put by others has no SHA-256. Raises Unavailable."""
        try:
            with self._errors():
                found = self._client.head_object(**self._at(name))
        except _Absent:
            return None
        return Listed(found["Metadata"].get("sha256", ""), found["ContentLength"])

    def remove(self, name: str) -> None:
        """Delete an object. Raises Unavailable."""
        with self._errors():
            self._client.delete_object(**self._at(name))

    def put(self, source: Path, listed: Listed, sent: Callable[[int], None]) -> None:
        """Upload a file under its own name, in parts if it is large, and check that it arrived. Raises Unavailable."""
        extra = {"Metadata": {"sha256": listed.sha256}, "ContentType": _content_type(source.name)}
        parts = TransferConfig(
            multipart_threshold=_PART,
            multipart_chunksize=_PART,
            max_concurrency=4,
            use_threads=True,
            preferred_transfer_client="classic",
        )
        with self._errors(), source.open("rb") as file:
            self._client.upload_fileobj(file, **self._at(source.name), ExtraArgs=extra, Callback=sent, Config=parts)
        if self.listed(source.name) != listed:
            raise Unavailable(
                PublishCode.OVERWRITTEN,
                f"{self._shown(source.name)} is not what was just put: a second "
                "writer is at work; publish again when it has finished",
            )

    def _at(self, name: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._key(name)}

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}".lstrip("/")

    def _shown(self, name: str) -> str:
        return f"s3://{self._bucket}/{self._key(name)}"

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            raise self._meaning(error) from error
        except NoCredentialsError as error:
            sentence = "no S3 credentials were found: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            raise Unavailable(BucketCode.NO_CREDENTIALS, sentence) from error
        except (BotoCoreError, ValueError) as error:
            sentence = f"{self._uri} cannot be reached ({error}); check network, region and endpoint_url"
            raise Unavailable(BucketCode.UNREACHABLE, sentence) from error

    def _meaning(self, error: ClientError) -> Unavailable:
        details = error.response.get("Error", {})
        code = str(details.get("Code", "unknown"))
        if code in {"404", "NoSuchKey", "NotFound"}:
            return _Absent(BucketCode.NOT_FOUND, f"{self._uri}: {error.operation_name} found nothing; publish again")
        code = _SAME.get(code, code)
        why = _WHY.get(code, str(details.get("Message") or "publish again later"))
        return Unavailable(
            _CODES.get(code, BucketCode.REFUSED), f"{self._uri}: {error.operation_name} answered {code}; {why}"
        )


class _Absent(Unavailable):
    """The object does not exist."""


def _content_type(name: str) -> str:
    return "application/json" if name.endswith(".json") else "application/octet-stream"
