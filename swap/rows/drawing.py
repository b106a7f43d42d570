"""Draws each request's next token from its logits: greedy rows at once, the others by their own sampling.

A draw is the inverse of the cumulated distribution at a number that is a pure function of (seed, step), so a seed gives
the same tokens alone or in a mix.
"""

from collections import Counter
from collections.abc import Sequence as Several
from dataclasses import dataclass

import torch

from .sampling import uniform
from .sequence import Sequence
from .tickets import TokenLogprobs

_NUCLEUS = 256
"""Tokens in which most requests' top_k and top_p fall; a row that needs more is sorted whole."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """What the logits say of one request: its next token, and that token's log-probability where it was asked for.

    `finite` tells whether all its logits are; without that the token means nothing.
    """

    token: int
    finite: bool = True
    logprobs: TokenLogprobs | None = None


class Drawer:
    """Draws tokens. For the loop's thread; `scoring` may be set from any thread at any time."""

    def __init__(self, ends: Several[int]) -> None:
        """Score nothing yet; `ends` are the tokens that end an answer."""
        self._ends = tuple(ends)
        self.scoring = False
        """Whether the log-probability of every token is computed, also of requests that did not ask for it."""

    def draw(self, logits: torch.Tensor, sequences: Several[Sequence]) -> list[Drawn]:
        """Draw one token for each row of logits (rows, vocabulary) in float32. Waits for the device."""
        finite = torch.isfinite(logits.sum(dim=-1)).tolist()
        tokens: list[int] = logits.argmax(dim=-1).tolist()
        for row, one in enumerate(sequences):
            how = one.ask.sampling
            if finite[row] and not (how.greedy and not how.shapes):
                tokens[row] = self._draw(logits[row], one)
        scored = self._score(logits, tokens, sequences)
        return [Drawn(*one) for one in zip(tokens, finite, scored, strict=True)]

    def _draw(self, row: torch.Tensor, one: Sequence) -> int:
        how = one.ask.sampling
        if how.shapes:
            row = self._shaped(row.clone(), one)
        if how.greedy:
            return int(row.argmax())
        row = row / how.temperature
        at = uniform(how.seed & 0x7FFFFFFFFFFFFFFF, one.ask.given + one.made)
        if how.top_k > 0 or how.top_p < 1.0 or how.min_p > 0.0:
            return _from_nucleus(row, how.top_k, how.top_p, how.min_p, at)
        reached = torch.softmax(row, dim=-1).cumsum(dim=-1, dtype=torch.float64)
        return int(torch.searchsorted(reached, at * float(reached[-1])).clamp_max(len(row) - 1))

    def _shaped(self, row: torch.Tensor, one: Sequence) -> torch.Tensor:
        how, answer = one.ask.sampling, one.tokens[len(one.ask.prompt) - one.ask.given :]
        if how.repetition_penalty != 1.0:
            seen = torch.tensor(sorted(set(one.tokens)), device=row.device)
            there = row[seen]
            row[seen] = torch.where(there < 0, there * how.repetition_penalty, there / how.repetition_penalty)
        if answer and (how.presence_penalty or how.frequency_penalty):
            counts = Counter(answer)
            seen = torch.tensor(list(counts), device=row.device)
            often = torch.tensor(list(counts.values()), dtype=row.dtype, device=row.device)
            row[seen] -= how.presence_penalty + how.frequency_penalty * often
        for token, bias in how.logit_bias:
            row[token] += bias
        if len(answer) < how.min_tokens:
            row[[*self._ends, *one.ask.stop_token_ids]] = -torch.inf
        return row

    def _score(
        self, logits: torch.Tensor, tokens: Several[int], sequences: Several[Sequence]
    ) -> list[TokenLogprobs | None]:
        """Compute log-probabilities for the rows that want them."""
        wanted = [row for row, one in enumerate(sequences) if self.scoring or one.ask.logprobs is not None]
        found: list[TokenLogprobs | None] = [None] * len(sequences)
        if wanted:
            most = max(sequences[row].ask.logprobs or 0 for row in wanted)
            scored = logprobs(logits[wanted], [tokens[row] for row in wanted], most)
            for row, one in zip(wanted, scored, strict=True):
                found[row] = TokenLogprobs(one.token, one.logprob, one.top[: sequences[row].ask.logprobs or 0])
        return found


def logprobs(logits: torch.Tensor, tokens: Several[int], top: int) -> list[TokenLogprobs]:
    """Return what logits (rows, vocabulary) say of one token in each row, and of the `top` likeliest; in nats."""
    scores = torch.log_softmax(logits, dim=-1)
    own = scores.gather(-1, torch.tensor(tokens, device=logits.device)[:, None])[:, 0].tolist()
    if not top:
        return [TokenLogprobs(token, score) for token, score in zip(tokens, own, strict=True)]
    best, ids = (one.tolist() for one in scores.topk(top, dim=-1))
    pairs = [tuple(zip(row, values, strict=True)) for row, values in zip(ids, best, strict=True)]
    return [TokenLogprobs(*one) for one in zip(tokens, own, pairs, strict=True)]


def _from_nucleus(row: torch.Tensor, top_k: int, top_p: float, min_p: float, at: float) -> int:
    """Draw from the likeliest tokens: first `top_k`, of these those that reach `top_p`, of these those over `min_p`."""
    size = len(row)
    whole = torch.logsumexp(row, dim=-1)
    count = min(top_k or size, size)
    for width in (min(_NUCLEUS, size), size):
        values, ids = row.topk(min(width, count))
        shares = torch.exp(values - (torch.logsumexp(values, dim=-1) if len(values) == count else whole)).double()
        reached = shares.cumsum(dim=-1)
        if len(values) == count or float(reached[-1]) >= top_p or float(shares[-1]) < min_p * float(shares[0]):
            break
    kept = 1 + int((reached[:-1] < top_p).sum()) if top_p < 1.0 else len(values)
    if min_p > 0.0:
        kept = max(1, min(kept, int((shares >= min_p * shares[0]).sum())))
    drawn = torch.searchsorted(reached[:kept], at * float(reached[kept - 1]))
    return int(ids[min(int(drawn), kept - 1)])
