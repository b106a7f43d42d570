"""The counts of one arm of a rollout, and the comparison of two arms."""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import starmap
from statistics import fmean, median
from typing import TYPE_CHECKING

from hotswapd.daemon.config.rollout import Rollout
from hotswapd.daemon.live.clients import whose
from hotswapd.daemon.live.tally import Counts

from .significance import higher, more_often

if TYPE_CHECKING:
    from hotswapd.swap.rows.ended import Ended

_KEPT = 10_000
"""Values of each kind that are kept, the newest; more would cost memory and add nothing."""
FEEDBACK = "feedback"
"""What clients say of answers; it is not known whose it is."""
_CLIENTS = 1000
"""Clients that are told apart; later ones only count among all."""
_HEAVIEST = 5
"""Clients without which a canary must be as bad before it is dropped: those with the most requests."""
_FEW = 20
"""Requests of the others in each arm from which on one client is left out."""


def _values() -> deque[float]:
    return deque(maxlen=_KEPT)


@dataclass(slots=True)
class Arm(Counts):
    """Ended requests that the split gave to one arm. Times are in seconds, lengths in tokens.

    `logprobs` has a mean for each answer, in nats per token. `clients` has the same for each client.
    """

    paces: deque[float] = field(default_factory=_values)
    first: deque[float] = field(default_factory=_values)
    length: deque[float] = field(default_factory=_values)
    scores: deque[float] = field(default_factory=_values)
    logprobs: deque[float] = field(default_factory=_values)
    clients: "dict[str, Arm]" = field(default_factory=dict)

    def add(self, ended: "Ended") -> None:
        """Count one request, for all and for its client."""
        self.take(ended)
        client = whose(ended.client)
        if client in self.clients or len(self.clients) < _CLIENTS:
            self.clients.setdefault(client, Arm()).take(ended)

    def without(self, client: str) -> "Arm":
        """Return what all clients but this one have asked, without feedback, which has no client."""
        rest = Arm()
        for part in (part for name, part in self.clients.items() if name != client):
            for name in ("requests", "non_finite", "degenerate", "errors"):
                setattr(rest, name, getattr(rest, name) + getattr(part, name))
            for name in ("paces", "first", "length", "logprobs"):
                getattr(rest, name).extend(getattr(part, name))
        return rest

    def take(self, ended: "Ended") -> None:
        """Count one request; its length only if its client did not go away, its times only if nothing delayed it."""
        self.count(ended)
        tokens = len(ended.token_ids)
        if tokens > 1 and not ended.delayed:
            self.paces.append(ended.seconds / (tokens - 1))
        if tokens and not ended.delayed:
            self.first.append(ended.first)
        if ended.finish in ("stop", "length"):
            self.length.append(tokens)
        if ended.logprob is not None and not ended.non_finite:
            self.logprobs.append(ended.logprob)

    def numbers(self) -> dict[str, float]:
        """Return counts, medians, and the means of scores and log-probabilities."""
        found: dict[str, float] = {
            "requests": self.requests,
            "errors": self.errors,
            "degenerate": self.degenerate,
            "non_finite": self.non_finite,
            "feedback": len(self.scores),
        }
        middles = {"first_token_seconds": self.first, "seconds_a_token": self.paces, "tokens": self.length}
        found |= {name: median(values) for name, values in middles.items() if values}
        means = {"mean_logprob": self.logprobs, "mean_score": self.scores}
        return found | {name: fmean(values) for name, values in means.items() if values}


@dataclass(frozen=True, slots=True)
class Finding:
    """One comparison: its p-value `p`, and whether the difference is `large` enough to matter."""

    what: str
    p: float
    large: bool
    sentence: str


Values = Callable[[Arm], Sequence[float]]


def findings(canary: Arm, live: Arm, table: Rollout) -> list[Finding]:
    """Make every comparison that the configuration asks for and for which both arms have values."""
    found = list(
        starmap(
            lambda what, count: _share(what, count(canary), canary.requests, count(live), live.requests),
            _COUNTS.items(),
        )
    )
    slow, long = table.max_latency_ratio, table.max_length_ratio
    if slow:
        found += _times("first_token", canary.first, live.first, slow)
        found += _times("pace", canary.paces, live.paces, slow)
    if long:
        found += _times("longer", canary.length, live.length, long)
        found += _times("shorter", live.length, canary.length, long)
    if table.max_logprob_drop:
        found += _likelihoods(canary.logprobs, live.logprobs, table.max_logprob_drop)
    if table.feedback and canary.scores and live.scores:
        worse = fmean(canary.scores) < fmean(live.scores)
        said = f"the mean score is {fmean(canary.scores):.4g}, and {fmean(live.scores):.4g} with what is live"
        found.append(Finding(FEEDBACK, higher(live.scores, canary.scores), worse, said))
    return found


def worst(found: Sequence[Finding], significance: float) -> Finding | None:
    """Return the finding that condemns the canary: large, and significant even among so many; None if none does."""
    level = significance / max(1, len(found))
    condemning = [one for one in found if one.large and one.p < level]
    return min(condemning, key=lambda one: one.p, default=None)


def condemned(canary: Arm, live: Arm, table: Rollout) -> tuple[list[Finding], Finding | None, str]:
    """Compare two arms; return all findings, the one that condemns the canary, and the client that alone has done so.

    What one client's absence would undo condemns nothing: clients choose what they ask, and in which arm.
    """
    found = findings(canary, live, table)
    bad = worst(found, table.significance)
    if bad is not None and bad.what != FEEDBACK:
        for client in _heaviest(canary, live):
            rest, others = canary.without(client), live.without(client)
            if min(rest.requests, others.requests) < _FEW:
                continue
            if (
                worst([one for one in findings(rest, others, table) if one.what == bad.what], table.significance)
                is None
            ):
                return found, None, client
    return found, bad, ""


def _heaviest(canary: Arm, live: Arm) -> list[str]:
    asked = Counter({name: part.requests for name, part in live.clients.items()})
    asked.update({name: part.requests for name, part in canary.clients.items()})
    return [name for name, _ in asked.most_common(_HEAVIEST)]


_COUNTS: dict[str, Callable[[Arm], int]] = {
    "errors": lambda arm: arm.errors,
    "degenerate": lambda arm: arm.degenerate,
}


def _share(what: str, hits: int, of: int, other: int, of_other: int) -> Finding:
    ours, theirs = hits / max(1, of), other / max(1, of_other)
    verb = {"errors": "failed", "degenerate": "ended in one token over and over"}[what]
    sentence = f"{ours:.2%} of {of} requests {verb}, and {theirs:.2%} of {of_other} with what is live"
    return Finding(what, more_often(hits, of, other, of_other), ours > theirs, sentence)


def _times(what: str, ours: Sequence[float], theirs: Sequence[float], limit: float) -> list[Finding]:
    """Compare two samples; the difference is large if the medians are further apart than the limit allows."""
    if not ours or not theirs:
        return []
    high, low = median(ours), median(theirs)
    sentence = {
        "first_token": f"the first token takes {high * 1000:.4g} ms, and {low * 1000:.4g} ms with what is live",
        "pace": f"a token takes {high * 1000:.4g} ms, and {low * 1000:.4g} ms with what is live",
        "longer": f"answers have {high:g} tokens, and {low:g} with what is live",
        "shorter": f"answers have {low:g} tokens, and {high:g} with what is live",
    }[what]
    return [Finding(what, higher(ours, theirs), high > limit * low, sentence)]


def _likelihoods(ours: Sequence[float], theirs: Sequence[float], limit: float) -> list[Finding]:
    """Compare how likely the models find their own answers; large is a difference of `limit` nats between the means."""
    if not ours or not theirs:
        return []
    low, high = fmean(ours), fmean(theirs)
    sentence = f"the mean log-probability of a token is {low:.4g}, and {high:.4g} with what is live"
    return [Finding("logprob", higher(theirs, ours), high - low > limit, sentence)]
