"""Answers of ``/v1/responses`` in OpenAI's shape: one message, whole or as the events of a stream."""

import json
import time
from typing import Any, Literal

from pydantic import BaseModel

from hotswapd.daemon.errors import FaceError
from hotswapd.daemon.serve.conversation import Piece
from hotswapd.daemon.serve.requests.responses import ResponsesBody
from hotswapd.daemon.serve.token_texts import TokenTexts

from .scores import Scored, chat_scores
from .shape import Head, Whole, quoted

Status = Literal["in_progress", "completed", "incomplete", "failed"]


class OutputText(BaseModel):
    """The text of the message."""

    type: Literal["output_text"] = "output_text"
    text: str
    annotations: list[None] = []
    logprobs: list[Scored] = []


class OutputMessage(BaseModel):
    """What the model said."""

    id: str
    type: Literal["message"] = "message"
    role: Literal["assistant"] = "assistant"
    status: Status
    content: list[OutputText]


class InputDetails(BaseModel):
    """Of the input's tokens; caches are not counted for each request."""

    cached_tokens: Literal[0] = 0
    cache_write_tokens: Literal[0] = 0


class OutputDetails(BaseModel):
    """Of the answer's tokens; reasoning is part of the text."""

    reasoning_tokens: Literal[0] = 0


class ResponseUsage(BaseModel):
    """Tokens of input and answer."""

    input_tokens: int
    input_tokens_details: InputDetails = InputDetails()
    output_tokens: int
    output_tokens_details: OutputDetails = OutputDetails()
    total_tokens: int


class Incomplete(BaseModel):
    """Why an answer is not complete."""

    reason: Literal["max_output_tokens"] = "max_output_tokens"


class ResponseError(BaseModel):
    """Why an answer failed."""

    code: str
    message: str


class PlainText(BaseModel):
    """The only format."""

    type: Literal["text"] = "text"


class TextFormat(BaseModel):
    """How the text is written."""

    format: PlainText = PlainText()


class ResponseAnswer(BaseModel):
    """``/v1/responses``, whole."""

    id: str
    object: Literal["response"] = "response"
    created_at: int
    completed_at: int | None = None
    status: Status
    model: str
    system_fingerprint: str
    output: list[OutputMessage] = []
    usage: ResponseUsage | None = None
    error: ResponseError | None = None
    incomplete_details: Incomplete | None = None
    instructions: str | None = None
    metadata: dict[str, str] = {}
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_logprobs: int = 0
    tool_choice: Literal["none"] = "none"
    tools: list[None] = []
    parallel_tool_calls: bool = False
    max_tool_calls: None = None
    previous_response_id: None = None
    conversation: None = None
    prompt: None = None
    prompt_cache_key: None = None
    prompt_cache_diagnostics: None = None
    reasoning: None = None
    service_tier: None = None
    background: bool = False
    store: bool = False
    text: TextFormat = TextFormat()
    truncation: Literal["disabled"] = "disabled"


class ResponseShape:
    """An answer, whole or as events; see `Shape`."""

    def __init__(self, head: Head, body: ResponsesBody, texts: TokenTexts) -> None:
        self.id = f"resp_{head.number}"
        self._item = f"msg_{head.number}"
        self._head = head
        self._body = body
        self._texts = texts
        self._number = 0
        self._gathered = Whole()

    def whole(self, answers: list[Whole]) -> ResponseAnswer:
        """Make the whole answer."""
        answer = answers[0]
        complete = answer.finish == "stop"
        total = self._head.prompt_tokens + answer.tokens
        return self._bare("completed" if complete else "incomplete").model_copy(
            update={
                "completed_at": int(time.time()),
                "output": [self._message(answer, "completed" if complete else "incomplete")],
                "incomplete_details": None if complete else Incomplete(),
                "usage": ResponseUsage(
                    input_tokens=self._head.prompt_tokens, output_tokens=answer.tokens, total_tokens=total
                ),
            }
        )

    def _bare(self, status: Status) -> ResponseAnswer:
        body = self._body
        return ResponseAnswer(
            id=self.id,
            created_at=self._head.created,
            status=status,
            model=self._head.model,
            system_fingerprint=self._head.fingerprint,
            instructions=body.instructions,
            max_output_tokens=body.max_output_tokens,
            temperature=body.temperature,
            top_p=body.top_p,
            top_logprobs=body.top_logprobs or 0,
        )

    def _message(self, answer: Whole, status: Status) -> OutputMessage:
        return OutputMessage(id=self._item, status=status, content=[self._text(answer)])

    def _text(self, answer: Whole) -> OutputText:
        return OutputText(text=answer.text, logprobs=chat_scores(self._texts, answer.logprobs))

    def opening(self) -> str:
        """Tell that the answer begins, with the one message and the one text that it has."""
        bare = self._bare("in_progress").model_dump()
        message = OutputMessage(id=self._item, status="in_progress", content=[]).model_dump()
        return "".join(
            (
                self._event("response.created", response=bare),
                self._event("response.in_progress", response=bare),
                self._event("response.output_item.added", output_index=0, item=message),
                self._event("response.content_part.added", **self._place(), part=OutputText(text="").model_dump()),
            )
        )

    def part(self, piece: Piece) -> str:
        """Return the new text."""
        self._gathered.add(piece)
        if not (piece.text or piece.logprobs):
            return ""
        self._number += 1
        scores = json.dumps([one.model_dump() for one in chat_scores(self._texts, piece.logprobs)])
        return (
            'event: response.output_text.delta\ndata: {"type":"response.output_text.delta",'
            f'"sequence_number":{self._number - 1},"item_id":"{self._item}","output_index":0,"content_index":0,'
            f'"delta":{quoted(piece.text)},"logprobs":{scores if piece.logprobs else "[]"}}}\n\n'
        )

    def closing(self, tokens: int) -> str:
        """Tell the text, the message and the answer once more as a whole."""
        whole = self.whole([self._gathered])
        message = whole.output[0]
        text = message.content[0].model_dump()
        kind = "response.completed" if whole.status == "completed" else "response.incomplete"
        said = {"text": text["text"], "logprobs": text["logprobs"]}
        return "".join(
            (
                self._event("response.output_text.done", **self._place(), **said),
                self._event("response.content_part.done", **self._place(), part=text),
                self._event("response.output_item.done", output_index=0, item=message.model_dump()),
                self._event(kind, response=whole.model_dump()),
            )
        )

    def failed(self, error: FaceError) -> str:
        """Tell that the answer failed, and why."""
        failure = ResponseError(code=error.code, message=error.sentence)
        bare = self._bare("failed").model_copy(update={"error": failure})
        return self._event("response.failed", response=bare.model_dump())

    def _place(self) -> dict[str, Any]:
        return {"item_id": self._item, "output_index": 0, "content_index": 0}

    def _event(self, kind: str, **fields: Any) -> str:
        self._number += 1
        data = json.dumps({"type": kind, "sequence_number": self._number - 1, **fields}, ensure_ascii=False)
        return f"event: {kind}\ndata: {data}\n\n"
