"""Responses in OpenAI's shape, read by OpenAI's own types."""

from typing import Any

from kits.requests import response
from kits.shapes import HEAD, Letters, events, score, streamed, whole
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from hotswapd.daemon.errors import ErrorCode, FaceError
from hotswapd.daemon.serve.conversation import Piece
from hotswapd.daemon.serve.shapes.responses import ResponseShape

SCORES = "message.output_text.logprobs"
EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


def shape(**fields: Any) -> ResponseShape:
    return ResponseShape(HEAD, response(**fields), Letters())


def test_a_whole_response_is_openais() -> None:
    made = shape(instructions="be short", temperature=0.5).whole([whole(Piece("hi", 3, "stop"))])
    answer = Response.model_validate_json(made.model_dump_json())
    assert (answer.id, answer.status, answer.model, answer.output_text) == ("resp_7", "completed", "m", "hi")
    assert (answer.instructions, answer.temperature, answer.error) == ("be short", 0.5, None)
    assert answer.usage is not None
    assert (answer.usage.input_tokens, answer.usage.output_tokens, answer.usage.total_tokens) == (5, 3, 8)


def test_a_response_that_is_too_long_is_incomplete() -> None:
    answer = Response.model_validate_json(shape().whole([whole(Piece("hi", 3, "length"))]).model_dump_json())
    assert answer.status == "incomplete"
    assert answer.incomplete_details is not None
    assert answer.incomplete_details.reason == "max_output_tokens"


def test_a_stream_is_openais_events_in_their_order() -> None:
    told = streamed(shape(stream=True), Piece("a", 1, None), Piece("", 2, None), Piece('"b', 3, "stop"))
    for one in told:
        EVENT.validate_python(one)
    assert [one["type"].removeprefix("response.") for one in told] == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert [one["sequence_number"] for one in told] == list(range(10))
    assert [one["delta"] for one in told if "delta" in one] == ["a", '"b']
    assert told[6]["text"] == 'a"b'
    assert told[-1]["response"]["usage"]["output_tokens"] == 3
    assert told[-1]["response"]["output"][0]["content"][0]["text"] == 'a"b'


def test_each_event_is_named_twice() -> None:
    """Once for readers of server-sent events, once in its data."""
    text = shape().opening()
    names = [line.removeprefix("event: ") for line in text.splitlines() if line.startswith("event: ")]
    assert names == [one["type"] for one in events(text)]


def test_a_stream_that_is_cut_ends_incomplete() -> None:
    assert streamed(shape(stream=True), Piece("a", 1, "length"))[-1]["type"] == "response.incomplete"


def test_log_probabilities_are_with_the_text() -> None:
    fields: dict[str, Any] = {"include": [SCORES], "top_logprobs": 1}
    piece = Piece("a", 1, "stop", 0, (score("a", -1.0, b=-0.5),))
    text = shape(**fields).whole([whole(piece)]).model_dump()["output"][0]["content"][0]
    likely = {"token": "b", "logprob": -0.5, "bytes": [98]}
    assert text["logprobs"] == [{"token": "a", "logprob": -1.0, "bytes": [97], "top_logprobs": [likely]}]
    told = streamed(shape(stream=True, **fields), piece)
    assert next(one for one in told if "delta" in one)["logprobs"][0]["token"] == "a"


def test_a_stream_that_fails_ends_with_the_error() -> None:
    (event,) = events(shape(stream=True).failed(FaceError(ErrorCode.STEP_FAILED, "the step broke")))
    assert event["type"] == "response.failed"
    assert event["response"]["status"] == "failed"
    assert event["response"]["error"] == {"code": "step_failed", "message": "the step broke"}
