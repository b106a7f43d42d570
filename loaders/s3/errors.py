"""What can go wrong with a bucket or a queue: a code for each failure, and a sentence that says what to do."""

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

from hotswapd.codes import Code
from hotswapd.loaders.codes import BucketCode, WaitingCode

# A wait that a server names is kept, but no server may silence a source for longer than this (seconds).
_LONGEST_WAIT = 3600.0
_LONGEST_QUOTE = 200

_SENTENCES: dict[Code, str] = {
    BucketCode.ACCESS_DENIED: "{place} does not let these credentials do {asked}: allow {rights}, and check "
    "expected_bucket_owner and the key's spelling",
    BucketCode.NO_SUCH_BUCKET: "{place}: there is no such bucket: check its name, region and endpoint_url",
    BucketCode.NO_SUCH_QUEUE: "{place}: there is no such queue: check queue_url and its region",
    BucketCode.EXPIRED: "the credentials for {place} have expired: renew them at their source; they are read again",
    BucketCode.BAD_CREDENTIALS: "{place} does not know these credentials ({answer}): check both keys and endpoint_url",
    BucketCode.NO_CREDENTIALS: "no credentials were found for {place}: set AWS_SHARED_CREDENTIALS_FILE, AWS_PROFILE, "
    "or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY{why}",
    BucketCode.WRONG_REGION: "{place} is in another region or at another address than was called ({answer}): set "
    "region or endpoint_url",
    BucketCode.CLOCK_SKEW: "the clocks of this machine and of {place} differ by more than is allowed: set the clock",
    BucketCode.SLOW_DOWN: "{place} asks to slow down ({answer}): the next try is later; a longer poll calls less often",
    BucketCode.SERVER_ERROR: "{place} answers {answer}, an error of its own, or something unreadable: the next try "
    "is later; if it lasts, check endpoint_url",
    BucketCode.NOT_FOUND: "{place}: {asked} found nothing",
    BucketCode.CHANGED: "{place} was written to while it was read",
    BucketCode.ARCHIVED: "{place} is archived: restore it, or copy it to a storage class that can be read at once",
    BucketCode.REFUSED: "{place} refuses {asked} with {answer}{why}",
    BucketCode.UNREACHABLE: "{place} cannot be reached{why}: check network, proxy, region and endpoint_url",
    BucketCode.BAD_ANSWER: "{place} does not answer correctly{why}: check endpoint_url",
    BucketCode.DAMAGED: "what {place} sent does not match its checksum, or ended too soon{why}: it is read again",
    BucketCode.MISCONFIGURED: "{place} cannot be called{why}: check the source's settings and the AWS configuration",
    WaitingCode.STOPPING: "the daemon is stopping; it is fetched after the next start",
}
_ANSWERS = {
    BucketCode.ACCESS_DENIED: "AccessDenied AccessDeniedException AllAccessDisabled AccountProblem Forbidden 403 "
    "NotSignedUp UnauthorizedAccess AWS.SimpleQueueService.AccessDenied MethodNotAllowed 405",
    BucketCode.NO_SUCH_BUCKET: "NoSuchBucket InvalidBucketName",
    BucketCode.NO_SUCH_QUEUE: "AWS.SimpleQueueService.NonExistentQueue QueueDoesNotExist InvalidAddress "
    "AWS.SimpleQueueService.QueueDeletedRecently",
    BucketCode.EXPIRED: "ExpiredToken ExpiredTokenException TokenRefreshRequired RequestExpired ExpiredCredentials",
    BucketCode.BAD_CREDENTIALS: "InvalidAccessKeyId SignatureDoesNotMatch InvalidToken InvalidClientTokenId "
    "UnrecognizedClientException MissingAuthenticationToken IncompleteSignature InvalidSecurity 401 Unauthorized",
    BucketCode.WRONG_REGION: "PermanentRedirect TemporaryRedirect Redirect AuthorizationHeaderMalformed 301 302 307 "
    "308 IllegalLocationConstraintException",
    BucketCode.CLOCK_SKEW: "RequestTimeTooSkewed RequestInTheFuture",
    BucketCode.SLOW_DOWN: "SlowDown Throttling ThrottlingException ThrottledException RequestThrottled "
    "RequestThrottledException RequestLimitExceeded TooManyRequests TooManyRequestsException BandwidthLimitExceeded "
    "429 503 ServiceUnavailable OverLimit",
    BucketCode.SERVER_ERROR: "InternalError InternalFailure InternalServerError 500 502 504 RequestTimeout 408",
    BucketCode.NOT_FOUND: "NoSuchKey NotFound 404 NoSuchVersion",
    BucketCode.CHANGED: "PreconditionFailed 412 ConditionalRequestConflict InvalidRange 416",
    BucketCode.ARCHIVED: "InvalidObjectState",
}
_CODE_OF = {answer: code for code, answers in _ANSWERS.items() for answer in answers.split()}

_WAITED_OUT = frozenset({BucketCode.SLOW_DOWN, BucketCode.SERVER_ERROR})

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

    A queue's failures have a bucket's codes; only their sentences are shown. `retry_after` is in seconds, if the
    server named a wait. `bare` means that the answer was a status and nothing else, which can have several causes.
    """

    def __init__(self, code: Code, sentence: str, retry_after: float | None = None, bare: bool = False) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence
        self.retry_after = retry_after
        self.bare = bare


@dataclass(frozen=True, slots=True)
class CallContext:
    """What a sentence names: the place, the call, and the rights that it needs."""

    place: str
    rights: str
    call: str = "this call"

    def trouble(
        self, code: Code, why: str = "", answer: str = "", retry_after: float | None = None, bare: bool = False
    ) -> S3Trouble:
        """Make the error of this code; `why` is the reason in the words of the server or library, `answer` its code."""
        sentence = _SENTENCES[code].format(
            place=self.place, asked=self.call, rights=self.rights, answer=answer, why=f" ({why})" if why else ""
        )
        return S3Trouble(code, sentence, retry_after, bare)


def trouble_of(error: Exception, context: CallContext) -> S3Trouble:
    """Return what an exception of the client library, or of a socket below it, means."""
    if isinstance(error, ClientError):
        return _answered(error, context)
    why = _one_line(str(error) or type(error).__name__)
    if isinstance(error, _NO_CREDENTIALS):
        return context.trouble(BucketCode.NO_CREDENTIALS, "" if isinstance(error, NoCredentialsError) else why)
    if isinstance(error, (ResponseParserError, PaginationError)):
        return context.trouble(BucketCode.BAD_ANSWER, why)
    if isinstance(error, (FlexibleChecksumError, IncompleteReadError)):
        return context.trouble(BucketCode.DAMAGED, why)
    if isinstance(error, _MISCONFIGURED) and not isinstance(error, (HTTPClientError, EndpointConnectionError)):
        return context.trouble(BucketCode.MISCONFIGURED, why)
    if isinstance(error, BotoCoreError) and not isinstance(error, (HTTPClientError, EndpointConnectionError)):
        return context.trouble(BucketCode.MISCONFIGURED, why)
    return context.trouble(BucketCode.UNREACHABLE, why)


def _answered(error: ClientError, context: CallContext) -> S3Trouble:
    details: Mapping[str, Any] = error.response.get("Error") or {}
    answer: Mapping[str, Any] = error.response.get("ResponseMetadata") or {}
    named = str(details.get("Code") or "")
    status = str(answer.get("HTTPStatusCode") or "")
    # The answer to a HEAD has no body, so its code is the status; some servers have codes of their own.
    other = BucketCode.SERVER_ERROR if status.startswith("5") else BucketCode.REFUSED
    meant = _CODE_OF.get(named) or _CODE_OF.get(status) or other
    call = error.operation_name or context.call
    if named == "400" and call.startswith("Head"):
        meant = BucketCode.EXPIRED  # its other causes are indistinguishable, and new credentials are worth a try
    context = CallContext(context.place, context.rights, call)
    why = _one_line(str(details.get("Message") or ""))
    bare = call.startswith("Head") and named == status
    return context.trouble(meant, why, _one_line(named or status), _named_wait(answer, meant), bare)


def _named_wait(answer: Mapping[str, Any], code: Code) -> float | None:
    """Return the wait in seconds that the answer names (0 to 3600), or None."""
    text = str((answer.get("HTTPHeaders") or {}).get("retry-after", "")).strip()
    return min(float(text), _LONGEST_WAIT) if text.isdecimal() and code in _WAITED_OUT else None


def _one_line(text: str) -> str:
    """Shorten what a server or a library said, so that it fits into a sentence and a log line."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split()).rstrip(".")
    return line if len(line) <= _LONGEST_QUOTE else f"{line[:_LONGEST_QUOTE]}..."
