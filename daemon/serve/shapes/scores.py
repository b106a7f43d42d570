"""Log-probabilities in the shapes of OpenAI and vLLM, in nats."""

from collections.abc import Iterable, Sequence

from pydantic import BaseModel

from hotswapd.daemon.serve.token_texts import TokenTexts
from hotswapd.swap.rows.tickets import TokenLogprobs

_LEAST = -9999.0
"""JSON has no infinity: OpenAI's own number for a token that cannot be."""
Prompt = Sequence[TokenLogprobs | None]


class Likely(BaseModel):
    """One token that could be at a position."""

    token: str
    logprob: float
    bytes: list[int] | None


class Scored(Likely):
    """The token at a position, and those that could be there."""

    top_logprobs: list[Likely]


class ChatScores(BaseModel):
    """``choices[].logprobs`` of a chat."""

    content: list[Scored] | None
    refusal: list[Scored] | None = None


class CompletionScores(BaseModel):
    """``choices[].logprobs`` of a completion: four lists, of one item for each token. None: there is nothing before it.

    Tokens that look alike are one name of `top_logprobs`, which has the likelier one's number.
    """

    text_offset: list[int]
    token_logprobs: list[float | None]
    tokens: list[str]
    top_logprobs: list[dict[str, float] | None]


class PromptScore(BaseModel):
    """A token of a prompt in vLLM's shape; `rank` 1 is the likeliest, None is beyond those that were asked for."""

    logprob: float
    rank: int | None
    decoded_token: str


def chat_scores(texts: TokenTexts, scores: Iterable[TokenLogprobs]) -> list[Scored]:
    """Show tokens as chats and responses do."""
    return [
        Scored(
            token=texts.text(one.token),
            logprob=max(one.logprob, _LEAST),
            bytes=list(texts.raw(one.token)),
            top_logprobs=[_likely(texts, token, logprob) for token, logprob in one.top],
        )
        for one in scores
    ]


def _likely(texts: TokenTexts, token: int, logprob: float) -> Likely:
    return Likely(token=texts.text(token), logprob=max(logprob, _LEAST), bytes=list(texts.raw(token)))


class Running:
    """Shows the tokens of one completion; places in the text go on from piece to piece."""

    def __init__(self, texts: TokenTexts, listed: int) -> None:
        """Begin a text. `listed` of the likeliest are shown; a prompt may have been scored with more."""
        self._texts = texts
        self._listed = listed
        self._place = 0

    def show(self, scores: Prompt, tokens: Sequence[int] = ()) -> CompletionScores:
        """Show the next tokens; `tokens` are those whose score may be None."""
        shown = CompletionScores(text_offset=[], token_logprobs=[], tokens=[], top_logprobs=[])
        for place, one in enumerate(scores):
            text = self._texts.text(tokens[place] if one is None else one.token)
            shown.text_offset.append(self._place)
            shown.tokens.append(text)
            shown.token_logprobs.append(None if one is None else max(one.logprob, _LEAST))
            shown.top_logprobs.append(None if one is None else self._top(one))
            self._place += len(text)
        return shown

    def _top(self, one: TokenLogprobs) -> dict[str, float]:
        top: dict[str, float] = {}
        for token, logprob in (*one.top[: self._listed], (one.token, one.logprob)):
            top.setdefault(self._texts.text(token), max(logprob, _LEAST))
        return top


def prompt_scores(texts: TokenTexts, scores: Prompt, listed: int) -> list[dict[str, PromptScore] | None]:
    """Show a prompt's tokens as vLLM does: by their ids, the token's own first."""
    return [None if one is None else _prompt_score(texts, one, listed) for one in scores]


def _prompt_score(texts: TokenTexts, one: TokenLogprobs, listed: int) -> dict[str, PromptScore]:
    ranks = {token: rank for rank, (token, _) in enumerate(one.top, 1)}
    shown = {one.token: one.logprob} | dict(one.top[:listed])
    return {
        str(token): PromptScore(logprob=max(logprob, _LEAST), rank=ranks.get(token), decoded_token=texts.text(token))
        for token, logprob in shown.items()
    }
