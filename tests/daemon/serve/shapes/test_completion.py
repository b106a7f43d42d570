"""Completions in OpenAI's shape, read by OpenAI's own types."""

from typing import Any

from kits.requests import completion
from kits.shapes import HEAD, Letters, score, streamed, whole
from openai.types import Completion

from hotswapd.daemon.serve.conversation import Piece
from hotswapd.daemon.serve.question import Question
from hotswapd.daemon.serve.shapes.completion import CompletionShape
from hotswapd.swap.rows.asks import Ask
from hotswapd.swap.rows.tickets import TokenLogprobs

PROMPT: tuple[TokenLogprobs | None, ...] = (None, score("q", -3.0, p=-0.5))
ANSWER = (score("a", -1.0, a=-1.0, b=-2.0), score("b", -2.5, a=-1.5))


def shape(echoes: tuple[str, ...] = (), **fields: Any) -> CompletionShape:
    asks = (Ask((112, 113), 5),) * max(1, len(echoes))
    return CompletionShape(HEAD, completion(**fields), Question(asks, echoes=echoes), Letters())


def test_a_whole_completion_is_openais() -> None:
    made = shape().whole([whole(Piece("hi", 3, "stop"))]).model_dump_json()
    answer = Completion.model_validate_json(made, strict=True)
    assert (answer.id, answer.object, answer.model, answer.created) == ("cmpl-7", "text_completion", "m", 1_700_000_000)
    assert (answer.choices[0].text, answer.choices[0].finish_reason) == ("hi", "stop")
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (5, 3, 8)


def test_a_completions_last_chunk_has_a_reason() -> None:
    chunks = streamed(shape(stream=True), Piece("a", 1, None), Piece("b", 2, "length"))[:-1]
    assert [one["choices"][0]["finish_reason"] for one in chunks] == [None, "length"]
    assert [one["choices"][0]["text"] for one in chunks] == ["a", "b"]
    assert {one["id"] for one in chunks} == {"cmpl-7"}


def test_usage_comes_at_the_end_or_in_each_chunk() -> None:
    ended = streamed(shape(stream=True, stream_options={"include_usage": True}), Piece("a", 4, "stop"))
    assert (ended[0]["usage"], ended[1]["choices"], ended[1]["usage"]["total_tokens"]) == (None, [], 9)
    options = {"continuous_usage_stats": True}
    each = streamed(shape(stream=True, stream_options=options), Piece("a", 1, None), Piece("b", 2, "stop"))
    assert [one["usage"]["completion_tokens"] for one in each[:-1]] == [1, 2]


def test_log_probabilities_are_four_lists() -> None:
    """The token itself is always among the likeliest, as OpenAI has it."""
    made = shape(logprobs=1).whole([whole(Piece("ab", 2, "stop", 0, ANSWER))])
    scores = Completion.model_validate_json(made.model_dump_json(), strict=True).choices[0].logprobs
    assert scores is not None
    assert (scores.tokens, scores.token_logprobs, scores.text_offset) == (["a", "b"], [-1.0, -2.5], [0, 1])
    assert scores.top_logprobs == [{"a": -1.0}, {"a": -1.5, "b": -2.5}]


def test_tokens_that_look_alike_have_the_likelier_ones_number() -> None:
    alike = TokenLogprobs(5, -1.0, ((6, -0.25), (5, -1.0)))

    class Same(Letters):
        def text(self, token: int) -> str:
            return "x"

    made = CompletionShape(HEAD, completion(logprobs=2), Question((Ask((1,), 1),)), Same())
    answer = made.whole([whole(Piece("x", 1, "stop", 0, (alike,)))])
    assert answer.choices[0].logprobs is not None
    assert answer.choices[0].logprobs.top_logprobs == [{"x": -0.25}]
    assert answer.choices[0].logprobs.token_logprobs == [-1.0]


def test_an_echo_begins_the_answer_with_the_prompt_and_its_scores() -> None:
    """Nothing comes before the first token, so that it has none."""
    made = shape(("pq",), logprobs=1, echo=True).whole([whole(Piece("a", 1, "length", 0, ANSWER[:1], PROMPT))])
    choice = made.choices[0]
    assert choice.text == "pqa"
    assert choice.logprobs is not None
    assert (choice.logprobs.tokens, choice.logprobs.text_offset) == (["p", "q", "a"], [0, 1, 2])
    assert choice.logprobs.token_logprobs == [None, -3.0, -1.0]
    assert choice.logprobs.top_logprobs == [None, {"p": -0.5, "q": -3.0}, {"a": -1.0}]


def test_an_echo_alone_has_the_prompts_scores_only() -> None:
    made = shape(("pq",), logprobs=0, echo=True, max_tokens=0).whole([whole(Piece("", 0, "length", 0, (), PROMPT))])
    assert made.choices[0].text == "pq"
    assert made.choices[0].logprobs is not None
    assert made.choices[0].logprobs.token_logprobs == [None, -3.0]
    assert made.usage.completion_tokens == 0


def test_a_streamed_echo_comes_with_the_first_chunk() -> None:
    made = shape(("pq", "pq"), logprobs=1, echo=True, stream=True)
    chunks = streamed(made, Piece("a", 1, None, 1, ANSWER[:1], PROMPT), Piece("b", 2, "stop", 1, ANSWER[1:]))[:-1]
    assert [one["choices"][0]["text"] for one in chunks] == ["pqa", "b"]
    assert [one["choices"][0]["logprobs"]["text_offset"] for one in chunks] == [[0, 1, 2], [3]]


def test_scores_go_on_where_text_is_held_back() -> None:
    made = shape(logprobs=0, stream=True)
    made.part(Piece("", 1, None, 0, ANSWER[:1]))
    assert '"text_offset":[1]' in made.part(Piece("", 2, None, 0, ANSWER[1:]))
    assert made.part(Piece("", 2, None)) == ""


def test_a_scored_prompt_is_vllms() -> None:
    made = shape(prompt_logprobs=0).whole([whole(Piece("x", 1, "stop", 0, (), PROMPT))]).choices[0].model_dump()
    assert made["prompt_logprobs"] == [None, {"113": {"logprob": -3.0, "rank": None, "decoded_token": "q"}}]
    assert made["logprobs"] is None
