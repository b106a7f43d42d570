"""Chats in OpenAI's shape."""

from typing import Literal

from pydantic import BaseModel

from hotswapd.daemon.errors import FaceError
from hotswapd.daemon.serve.conversation import Piece
from hotswapd.daemon.serve.requests.chat import ChatBody
from hotswapd.daemon.serve.token_texts import TokenTexts

from .chunks import Chunks
from .scores import ChatScores, PromptScore, chat_scores, prompt_scores
from .shape import Head, Usage, Whole, quoted, reason


class ChatMessage(BaseModel):
    """What the model said."""

    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None


class ChatChoice(BaseModel):
    """One answer."""

    index: int
    message: ChatMessage
    logprobs: ChatScores | None
    finish_reason: Literal["stop", "length"]


class ChatAnswer(BaseModel):
    """``/v1/chat/completions``, whole."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    system_fingerprint: str
    choices: list[ChatChoice]
    usage: Usage
    prompt_logprobs: list[dict[str, PromptScore] | None] | None = None


class ChatShape:
    """A chat's answer, whole or as chunks; see `Shape`."""

    def __init__(self, head: Head, body: ChatBody, texts: TokenTexts) -> None:
        self.id = f"chatcmpl-{head.number}"
        self._head = head
        self._body = body
        self._texts = texts
        self._chunks = Chunks(head, body, self.id, "chat.completion.chunk")

    def whole(self, answers: list[Whole]) -> ChatAnswer:
        """Make the whole answer."""
        scored = self._body.prompt_logprobs
        prompt = None if scored is None else prompt_scores(self._texts, answers[0].prompt_logprobs, scored)
        return ChatAnswer(
            id=self.id,
            created=self._head.created,
            model=self._head.model,
            system_fingerprint=self._head.fingerprint,
            choices=[self._choice(index, answer) for index, answer in enumerate(answers)],
            usage=Usage.of(self._head, sum(answer.tokens for answer in answers)),
            prompt_logprobs=prompt,
        )

    def _choice(self, index: int, answer: Whole) -> ChatChoice:
        scores = ChatScores(content=chat_scores(self._texts, answer.logprobs)) if self._body.logprobs else None
        message = ChatMessage(content=answer.text)
        return ChatChoice(index=index, message=message, logprobs=scores, finish_reason=reason(answer.finish))

    def opening(self) -> str:
        """Return nothing: the first chunk of each answer says who speaks."""
        return ""

    def part(self, piece: Piece) -> str:
        """Return a chunk, if there is anything new to tell."""
        first = self._chunks.begins(piece)
        if not (piece.text or piece.finish or piece.logprobs or first):
            return ""
        role = '"role":"assistant",' if first else ""
        finish = "null" if piece.finish is None else f'"{reason(piece.finish)}"'
        return self._chunks.of(
            piece,
            f'{{"index":{piece.index},"delta":{{{role}"content":{quoted(piece.text)}}},'
            f'"logprobs":{self._scores(piece)},"finish_reason":{finish}}}',
        )

    def _scores(self, piece: Piece) -> str:
        if not self._body.logprobs:
            return "null"
        return ChatScores(content=chat_scores(self._texts, piece.logprobs)).model_dump_json()

    def closing(self, tokens: int) -> str:
        """Return the chunk that counts the tokens, if it is asked for, and the end."""
        return self._chunks.closing(tokens)

    def failed(self, error: FaceError) -> str:
        """Return the error."""
        return self._chunks.failed(error)
