"""What a Hub's answer means: one code and one sentence for each thing that can go wrong."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from huggingface_hub.utils import parse_ratelimit_headers  # type: ignore[attr-defined]

# A wait that a server names is obeyed, but no server may silence a source for longer than this (seconds).
_LONGEST_WAIT = 3600.0

_SENTENCES = {
    "hub_unauthorized": "{endpoint} does not accept the token in {token_file}: it is mistyped, expired or revoked",
    "hub_forbidden": "{endpoint} forbids reading {repo} {token}: use a token with read access to this repository",
    "hub_gated": "{repo} is gated and stays closed {token}: accept its terms on its page, with the token's account",
    "hub_not_found": (
        "{endpoint} shows no repository {repo} {token}; it cannot be told whether it is misspelled, renamed, deleted, "
        "private or gated: check repo and token_file"
    ),
    "hub_revision_not_found": "{repo} has no branch, tag or commit {asked!r}: check revision",
    "revision_gone": "commit {asked} of {repo} answers 404: its history was rewritten; what is there now is looked for",
    "hub_entry_not_found": "commit {asked} of {repo} no longer holds the file",
    "rate_limited": "{endpoint} answers 429, too many requests: it is asked again later; a token_file raises the limit",
    "hub_server_error": "{endpoint} answers {status}, an error of its own: it is asked again later",
    "hub_bad_answer": "{endpoint} answers {status} where a Hub would not: check endpoint and repo",
}


class HubTrouble(Exception):
    """One call to the Hub failed. The source decides whether that means SourceDown or Unavailable.

    `retry_after` is in seconds, where the server named a wait.
    """

    def __init__(self, code: str, sentence: str, retry_after: float | None = None) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked, for the sentence: the server, the repository, its revision, and where the token came from."""

    endpoint: str
    repo: str
    revision: str
    token_file: str
    by_commit: bool


def trouble_of(status: int, headers: Mapping[str, str], asked: Asked) -> HubTrouble:
    """Tell from an answer's status and headers what is wrong; its body is never read.

    `headers` is looked up without regard to case, as the client library's mappings do.
    """
    code = _code(status, headers.get("X-Error-Code", ""), asked)
    sentence = _SENTENCES[code].format(
        endpoint=asked.endpoint,
        repo=asked.repo,
        asked=asked.revision,
        status=status,
        token_file=asked.token_file,
        token=f"with the token in {asked.token_file}" if asked.token_file else "without a token",
    )
    waits = code in {"rate_limited", "hub_server_error"}
    return HubTrouble(code, sentence, named_wait(headers) if waits else None)


def _code(status: int, named: str, asked: Asked) -> str:
    if status == 429:
        return "rate_limited"
    if status >= 500:
        return "hub_server_error"
    if named == "GatedRepo":
        return "hub_gated"
    if named == "RevisionNotFound":
        return "revision_gone" if asked.by_commit else "hub_revision_not_found"
    if named == "EntryNotFound":
        return "hub_entry_not_found"
    if named == "RepoNotFound":
        return "hub_not_found"
    # Without a token the Hub answers 401 also for what does not exist; with one, only when it refuses the token.
    if status == 401 and asked.token_file:
        return "hub_unauthorized"
    return {401: "hub_not_found", 403: "hub_forbidden", 404: "hub_not_found"}.get(status, "hub_bad_answer")


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
