"""What can go wrong with a bucket or a queue: one code and one sentence for each, which says what to do."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConfigNotFound,
    ConfigParseError,
    CredentialRetrievalError,
    EndpointConnectionError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    InvalidConfigError,
    MetadataRetrievalError,
    NoCredentialsError,
    NoRegionError,
    PaginationError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
    RefreshWithMFAUnsupportedError,
    SSOError,
    TokenRetrievalError,
)
from botocore.parsers import ResponseParserError

# A wait that a server names is obeyed, but no server may silence a source for longer than this (seconds).
_LONGEST_WAIT = 3600.0
_LONGEST_QUOTE = 200

EXPIRED = "expired"
STOPPING = "stopping"

_SENTENCES = {
    "access_denied": "{place} does not let these credentials do {asked}: allow {rights}, and check "
    "expected_bucket_owner and the key's spelling",
    "no_such_bucket": "{place}: there is no such bucket: check its name, region and endpoint_url",
    "no_such_queue": "{place}: there is no such queue: check queue_url and its region",
    "expired": "the credentials for {place} have expired: renew them where they come from; they are read anew",
    "bad_credentials": "{place} does not know these credentials ({code}): check both keys and endpoint_url",
    "no_credentials": "there are no credentials for {place}: give an AWS_SHARED_CREDENTIALS_FILE, AWS_PROFILE, or "
    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY{why}",
    "wrong_region": "{place} is in another region, or at another address, than was asked ({code}): set region or "
    "endpoint_url",
    "clock_skew": "this machine's clock and that of {place} differ by more than is allowed: set the clock",
    "slow_down": "{place} asks to slow down ({code}): it is asked again later; a longer poll asks less",
    "server_error": "{place} answers {code}, an error of its own, or what nobody can read: it is asked again later; "
    "if it lasts, check endpoint_url",
    "not_found": "{place}: {asked} finds nothing there",
    "changed": "{place} was written to while it was read",
    "archived": "{place} lies in an archive: restore it, or copy it to a storage class that can be read at once",
    "refused": "{place} refuses {asked} with {code}{why}",
    "unreachable": "{place} cannot be reached{why}: check network, proxy, region and endpoint_url",
    "bad_answer": "{place} does not answer as it should{why}: check endpoint_url",
    "damaged": "what {place} sent does not have its checksum, or ended too soon{why}: it is read again",
    "misconfigured": "{place} cannot be asked{why}: check the source's settings and the AWS configuration",
    "stopping": "the daemon is stopping; it is fetched after the next start",
}
_KINDS = {
    "access_denied": "AccessDenied AccessDeniedException AllAccessDisabled AccountProblem Forbidden 403 NotSignedUp "
    "UnauthorizedAccess AWS.SimpleQueueService.AccessDenied MethodNotAllowed 405",
    "no_such_bucket": "NoSuchBucket InvalidBucketName",
    "no_such_queue": "AWS.SimpleQueueService.NonExistentQueue QueueDoesNotExist InvalidAddress "
    "AWS.SimpleQueueService.QueueDeletedRecently",
    "expired": "ExpiredToken ExpiredTokenException TokenRefreshRequired RequestExpired ExpiredCredentials",
    "bad_credentials": "InvalidAccessKeyId SignatureDoesNotMatch InvalidToken InvalidClientTokenId "
    "UnrecognizedClientException MissingAuthenticationToken IncompleteSignature InvalidSecurity 401 Unauthorized",
    "wrong_region": "PermanentRedirect TemporaryRedirect Redirect AuthorizationHeaderMalformed 301 302 307 308 "
    "IllegalLocationConstraintException",
    "clock_skew": "RequestTimeTooSkewed RequestInTheFuture",
    "slow_down": "SlowDown Throttling ThrottlingException ThrottledException RequestThrottled "
    "RequestThrottledException RequestLimitExceeded TooManyRequests TooManyRequestsException BandwidthLimitExceeded "
    "429 503 ServiceUnavailable OverLimit",
    "server_error": "InternalError InternalFailure InternalServerError 500 502 504 RequestTimeout 408",
    "not_found": "NoSuchKey NotFound 404 NoSuchVersion",
    "changed": "PreconditionFailed 412 ConditionalRequestConflict InvalidRange 416",
    "archived": "InvalidObjectState",
}
_KIND_OF = {code: kind for kind, codes in _KINDS.items() for code in codes.split()}

_NO_CREDENTIALS = (
    NoCredentialsError,
    PartialCredentialsError,
    CredentialRetrievalError,
    MetadataRetrievalError,
    RefreshWithMFAUnsupportedError,
    SSOError,
    TokenRetrievalError,
)
_MISCONFIGURED = (
    ProfileNotFound,
    ConfigNotFound,
    ConfigParseError,
    InvalidConfigError,
    NoRegionError,
    ParamValidationError,
    ValueError,
)


class S3Trouble(Exception):
    """One call failed. The source decides whether that means SourceDown, Unavailable or Gone.

    `kind` is the code without its ``s3_`` or ``sqs_``; `retry_after` is in seconds, where the server named a wait;
    `bare` says that the answer had a status and no more, which may stand for other things than it says.
    """

    bare = False

    def __init__(self, kind: str, code: str, sentence: str, retry_after: float | None = None) -> None:
        super().__init__(sentence)
        self.kind = kind
        self.code = code
        self.sentence = sentence
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked, for the sentence: the place, the service's short name, the call, and the rights it needs."""

    place: str
    service: str
    rights: str
    call: str = "this call"

    def trouble(self, kind: str, why: str = "", code: str = "", retry_after: float | None = None) -> S3Trouble:
        """Make the error of this kind; `why` is the reason in the words of whoever told it."""
        told = _SENTENCES[kind].format(
            place=self.place, asked=self.call, rights=self.rights, code=code, why=f" ({why})" if why else ""
        )
        return S3Trouble(kind, STOPPING if kind == STOPPING else f"{self.service}_{kind}", told, retry_after)


def trouble_of(error: Exception, asked: Asked) -> S3Trouble:
    """Tell what an exception of the client library, or of a socket below it, means."""
    if isinstance(error, ClientError):
        return _answered(error, asked)
    why = _one_line(str(error) or type(error).__name__)
    if isinstance(error, _NO_CREDENTIALS):
        return asked.trouble("no_credentials", "" if isinstance(error, NoCredentialsError) else why)
    if isinstance(error, (ResponseParserError, PaginationError)):
        return asked.trouble("bad_answer", why)
    if isinstance(error, (FlexibleChecksumError, IncompleteReadError)):
        return asked.trouble("damaged", why)
    if isinstance(error, _MISCONFIGURED) and not isinstance(error, (HTTPClientError, EndpointConnectionError)):
        return asked.trouble("misconfigured", why)
    if isinstance(error, BotoCoreError) and not isinstance(error, (HTTPClientError, EndpointConnectionError)):
        return asked.trouble("misconfigured", why)
    return asked.trouble("unreachable", why)


def _answered(error: ClientError, asked: Asked) -> S3Trouble:
    told: Mapping[str, Any] = error.response.get("Error") or {}
    answer: Mapping[str, Any] = error.response.get("ResponseMetadata") or {}
    code = str(told.get("Code") or "")
    status = str(answer.get("HTTPStatusCode") or "")
    # The answer to a HEAD has no body, so that its code is the status; some servers name codes of their own.
    kind = _KIND_OF.get(code) or _KIND_OF.get(status) or ("server_error" if status.startswith("5") else "refused")
    call = error.operation_name or asked.call
    if code == "400" and call.startswith("Head"):
        kind = EXPIRED  # what else a HEAD's bare 400 could mean is not told; new credentials are worth a try
    asked = Asked(asked.place, asked.service, asked.rights, call)
    why = _one_line(str(told.get("Message") or ""))
    trouble = asked.trouble(kind, why, _one_line(code or status), _named_wait(answer, kind))
    trouble.bare = call.startswith("Head") and code == status
    return trouble


def _named_wait(answer: Mapping[str, Any], kind: str) -> float | None:
    """Return the wait in seconds that the answer names (0 to 3600), or None."""
    text = str((answer.get("HTTPHeaders") or {}).get("retry-after", "")).strip()
    return min(float(text), _LONGEST_WAIT) if text.isdecimal() and kind in {"slow_down", "server_error"} else None


def _one_line(text: str) -> str:
    """Shorten what a server or a library said, so that it fits into a sentence and a log line."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split()).rstrip(".")
    return line if len(line) <= _LONGEST_QUOTE else f"{line[:_LONGEST_QUOTE]}..."
