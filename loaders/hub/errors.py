"""What a Hub's answer means: one code and one sentence for each thing that can go wrong."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from huggingface_hub.utils import parse_ratelimit_headers  # type: ignore[attr-defined]

from hotswapd.codes import Code
from hotswapd.loaders.codes import GoneCode, HubCode

# A wait that a server names is kept, but no server may silence a source for longer than this (seconds).
_LONGEST_WAIT = 3600.0

_SENTENCES: dict[Code, str] = {
    HubCode.UNAUTHORIZED: "{endpoint} does not accept the token in {token_file}: it is mistyped, expired or revoked",
    HubCode.FORBIDDEN: "{endpoint} forbids reading {repo} {token}: use a token with read access to this repository",
    HubCode.GATED: "{repo} is gated and stays closed {token}: accept its terms on its page, with the token's account",
    HubCode.NOT_FOUND: (
        "{endpoint} shows no repository {repo} {token}; it may be misspelled, renamed, deleted, private or gated: "
        "check repo and token_file"
    ),
    HubCode.REVISION_NOT_FOUND: "{repo} has no branch, tag or commit {asked!r}: check revision",
    GoneCode.REVISION_GONE: (
        "commit {asked} of {repo} answers 404: its history was rewritten; the next scan finds what replaced it"
    ),
    HubCode.ENTRY_NOT_FOUND: "commit {asked} of {repo} no longer holds the file",
    HubCode.RATE_LIMITED: (
        "{endpoint} answers 429, too many requests: the next try is later; a token_file raises the limit"
    ),
    HubCode.SERVER_ERROR: "{endpoint} answers {status}, an error of its own: the next try is later",
    HubCode.BAD_ANSWER: "{endpoint} answers {status} where a Hub would not: check endpoint and repo",
}


class HubTrouble(Exception):
    """One call to the Hub failed. The source decides whether that means SourceDown or Unavailable.

    `retry_after` is in seconds, if the server named a wait.
    """

    def __init__(self, code: Code, sentence: str, retry_after: float | None = None) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class CallContext:
    """What a sentence names: the server, the repository, its revision, and where the token came from."""

    endpoint: str
    repo: str
    revision: str
    token_file: str
    by_commit: bool


def trouble_of(status: int, headers: Mapping[str, str], context: CallContext) -> HubTrouble:
    """Return what an answer's status and headers mean; its body is never read.

    `headers` ignores case, as the client library's mappings do.
    """
    code = _code(status, headers.get("X-Error-Code", ""), context)
    sentence = _SENTENCES[code].format(
        endpoint=context.endpoint,
        repo=context.repo,
        asked=context.revision,
        status=status,
        token_file=context.token_file,
        token=f"with the token in {context.token_file}" if context.token_file else "without a token",
    )
    waits = code in {HubCode.RATE_LIMITED, HubCode.SERVER_ERROR}
    return HubTrouble(code, sentence, named_wait(headers) if waits else None)


def _code(status: int, named: str, context: CallContext) -> Code:
    if status == 429:
        return HubCode.RATE_LIMITED
    if status >= 500:
        return HubCode.SERVER_ERROR
    if named == "GatedRepo":
        return HubCode.GATED
    if named == "RevisionNotFound":
        return GoneCode.REVISION_GONE if context.by_commit else HubCode.REVISION_NOT_FOUND
    if named == "EntryNotFound":
        return HubCode.ENTRY_NOT_FOUND
    if named == "RepoNotFound":
        return HubCode.NOT_FOUND
    # Without a token the Hub also answers 401 for what does not exist; with one, only if it refuses the token.
    if status == 401 and context.token_file:
        return HubCode.UNAUTHORIZED
    return {401: HubCode.NOT_FOUND, 403: HubCode.FORBIDDEN, 404: HubCode.NOT_FOUND}.get(status, HubCode.BAD_ANSWER)


def named_wait(headers: Mapping[str, str]) -> float | None:
    """Return the wait in seconds that an answer names (0 to 3600), or None."""
    limit = parse_ratelimit_headers(headers)
    if limit is not None and limit.remaining == 0:
        # The window may end within the second that is named.
        return min(limit.reset_in_seconds, _LONGEST_WAIT - 1.0) + 1.0
    text = headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return min(float(text), _LONGEST_WAIT)
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    seconds = (until if until.tzinfo else until.replace(tzinfo=UTC)) - datetime.now(UTC)
    return min(max(seconds.total_seconds(), 0.0), _LONGEST_WAIT)
