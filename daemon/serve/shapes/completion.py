"""Completions in OpenAI's shape."""

from typing import Literal

from pydantic import BaseModel

from hotswapd.daemon.errors import FaceError
from hotswapd.daemon.serve.conversation import Piece
from hotswapd.daemon.serve.question import Question
from hotswapd.daemon.serve.requests.completion import CompletionBody
from hotswapd.daemon.serve.token_texts import TokenTexts

from .chunks import Chunks
from .scores import CompletionScores, Prompt, PromptScore, Running, prompt_scores
from .shape import Head, Usage, Whole, quoted, reason


class CompletionChoice(BaseModel):
    """One answer."""

    index: int
    text: str
    logprobs: CompletionScores | None
    finish_reason: Literal["stop", "length"]
    prompt_logprobs: list[dict[str, PromptScore] | None] | None = None


class CompletionAnswer(BaseModel):
    """``/v1/completions``, whole."""

    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int
    model: str
    system_fingerprint: str
    choices: list[CompletionChoice]
    usage: Usage


class CompletionShape:
    """A completion, whole or as chunks; see `Shape`."""

    def __init__(self, head: Head, body: CompletionBody, question: Question, texts: TokenTexts) -> None:
        self.id = f"cmpl-{head.number}"
        self._head = head
        self._body = body
        self._question = question
        self._texts = texts
        self._running: dict[int, Running] = {}
        self._chunks = Chunks(head, body, self.id, "text_completion")

    def whole(self, answers: list[Whole]) -> CompletionAnswer:
        """Make the whole answer."""
        return CompletionAnswer(
            id=self.id,
            created=self._head.created,
            model=self._head.model,
            system_fingerprint=self._head.fingerprint,
            choices=[self._choice(index, answer) for index, answer in enumerate(answers)],
            usage=Usage.of(self._head, sum(answer.tokens for answer in answers)),
        )

    def _choice(self, index: int, answer: Whole) -> CompletionChoice:
        listed = self._body.prompt_logprobs
        return CompletionChoice(
            index=index,
            text=self._echo(index) + answer.text,
            logprobs=self._scores(index, answer.prompt_logprobs, answer.logprobs, first=True),
            finish_reason=reason(answer.finish),
            prompt_logprobs=None if listed is None else prompt_scores(self._texts, answer.prompt_logprobs, listed),
        )

    def opening(self) -> str:
        """Return nothing: the first chunk of each answer begins it."""
        return ""

    def part(self, piece: Piece) -> str:
        """Return a chunk, if there is anything new to tell."""
        first = self._chunks.begins(piece)
        if not (piece.text or piece.finish or piece.logprobs or first):
            return ""
        text = self._echo(piece.index) + piece.text if first else piece.text
        scores = self._scores(piece.index, piece.prompt_logprobs, piece.logprobs, first=first)
        finish = "null" if piece.finish is None else f'"{reason(piece.finish)}"'
        return self._chunks.of(
            piece,
            f'{{"index":{piece.index},"text":{quoted(text)},'
            f'"logprobs":{"null" if scores is None else scores.model_dump_json()},"finish_reason":{finish}}}',
        )

    def _echo(self, index: int) -> str:
        return self._question.echoes[index] if self._question.echoes else ""

    def _scores(self, index: int, prompt: Prompt, scores: Prompt, *, first: bool) -> CompletionScores | None:
        listed = self._body.logprobs
        if listed is None:
            return None
        running = self._running.setdefault(index, Running(self._texts, listed))
        if not (first and self._question.echoes):
            return running.show(scores)
        return running.show([*prompt, *scores], self._question.asks[index].prompt)

    def closing(self, tokens: int) -> str:
        """Return the chunk that counts the tokens, if it is asked for, and the end."""
        return self._chunks.closing(tokens)

    def failed(self, error: FaceError) -> str:
        """Return the error."""
        return self._chunks.failed(error)
