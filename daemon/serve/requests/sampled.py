"""What every kind of request says of how its answer is drawn, and when it ends."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from .fields import SENTENCE, WANTED, Biases, Ignored, Only, Stops, says, wrong

_NO_TOOLS = "this server calls no tools"
_NO_GRAMMAR = "answers are not bound to a grammar or a schema"


class Sampled(BaseModel):
    """The fields of all bodies. A field that is not known here is an error."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)

    model: Annotated[str, says("A name of the base, `NAME@gN` for a generation of it, or `NAME@canary`.")]
    temperature: Annotated[
        Annotated[float, Field(ge=0, le=2)] | None,
        says("Below 1e-5 the likeliest token is taken; left out: as the model's generation configuration says."),
    ] = None
    top_p: Annotated[
        Annotated[float, Field(gt=0, le=1)] | None, says("Left out: as the generation configuration says.")
    ] = None
    top_k: Annotated[
        Annotated[int, Field(ge=-1)] | None, says("0 and -1 are off; left out: as the generation configuration says.")
    ] = None
    min_p: Annotated[
        Annotated[float, Field(ge=0, le=1)] | None,
        says("Leave out tokens that are less probable than this share of the likeliest one."),
    ] = None
    seed: Annotated[int | None, says("The same seed draws the same tokens; choice `i` of `n` has `seed + i`.")] = None
    repetition_penalty: Annotated[
        Annotated[float, Field(ge=0.1, le=10)] | None,
        says("Divides the logits of tokens that prompt or answer have, negative ones multiplied; from 0.1 to 10."),
    ] = None
    logit_bias: Annotated[Biases | None, says("Added to the logits, by token id.")] = None
    stop: Annotated[Stops, says("One text or up to 16; the answer ends before it.")] = None
    stop_token_ids: Annotated[
        Annotated[list[Annotated[int, Field(ge=0)]], Field(max_length=64)] | None, says("Tokens that end the answer.")
    ] = None
    ignore_eos: Annotated[bool | None, says("Go on after the model's own end-of-text token.")] = None
    min_tokens: Annotated[
        Annotated[int, Field(ge=0)] | None, says("The answer does not end before it has this many tokens.")
    ] = None
    cache_salt: Annotated[
        Annotated[str, Field(min_length=1, max_length=1024)] | None,
        says("Only requests with the same salt share a cached prompt."),
    ] = None
    stream: Annotated[bool | None, says("Answer in server-sent events.")] = None
    user: Annotated[str | None, says("Keeps a user's requests in one arm of a rollout.")] = None

    metadata: Annotated[object, Ignored("nothing is stored")] = None
    service_tier: Annotated[object, Ignored("there is one tier")] = None
    store: Annotated[object, Ignored("nothing is stored")] = None
    parallel_tool_calls: Annotated[object, Ignored(_NO_TOOLS)] = None
    safety_identifier: Annotated[object, Ignored("users are not monitored")] = None
    prompt_cache_key: Annotated[object, Ignored("prompts are cached by what they hold")] = None
    prompt_cache_options: Annotated[object, Ignored("prompts are cached by what they hold")] = None
    prompt_cache_retention: Annotated[object, Ignored("prompts are cached by what they hold")] = None
    request_id: Annotated[object, Ignored("each answer gets an id of its own")] = None
    session_id: Annotated[object, Ignored("prompts are cached by what they hold")] = None
    stream_interval: Annotated[object, Ignored("text is sent as soon as it is there")] = None
    truncation_side: Annotated[object, Ignored("no prompt is truncated")] = None
    moderation: Annotated[object, Only(why="answers are not moderated")] = None

    tools: Annotated[object, Only([], why=_NO_TOOLS)] = None
    tool_choice: Annotated[object, Only("none", "auto", why=_NO_TOOLS)] = None
    structured_outputs: Annotated[object, Only(why=_NO_GRAMMAR)] = None
    guided_json: Annotated[object, Only(why=_NO_GRAMMAR)] = None
    guided_regex: Annotated[object, Only(why=_NO_GRAMMAR)] = None
    guided_choice: Annotated[object, Only(why=_NO_GRAMMAR)] = None
    guided_grammar: Annotated[object, Only(why=_NO_GRAMMAR)] = None
    use_beam_search: Annotated[object, Only(False, why="answers are drawn token by token")] = None
    length_penalty: Annotated[object, Only(1.0, why="there is no beam search")] = None
    include_stop_str_in_output: Annotated[object, Only(False, why="an answer ends before its stop text")] = None
    skip_special_tokens: Annotated[object, Only(True, why="special tokens are never part of a text")] = None
    spaces_between_special_tokens: Annotated[object, Only(True, why="special tokens are never part of a text")] = None
    truncate_prompt_tokens: Annotated[object, Only(why="a prompt that is too long is refused")] = None
    allowed_token_ids: Annotated[object, Only([], why="tokens can only be forbidden with `logit_bias`")] = None
    bad_words: Annotated[object, Only([], why="tokens can only be forbidden with `logit_bias`")] = None
    logprob_token_ids: Annotated[object, Only(why="the likeliest tokens are scored, and no others")] = None
    priority: Annotated[object, Only(0, why="requests are answered in the order in which they come")] = None
    return_tokens_as_token_ids: Annotated[object, Only(False, why="tokens are shown as texts")] = None
    return_token_ids: Annotated[object, Only(False, why="tokens are shown as texts")] = None
    return_token_offsets: Annotated[object, Only(False, why="`/tokenize` shows what a prompt becomes")] = None
    return_prompt_text: Annotated[object, Only(False, why="`/tokenize` shows what a prompt becomes")] = None
    return_mm_kwargs: Annotated[object, Ignored("prompts are text")] = None
    routed_experts_prompt_start: Annotated[object, Only(0, why="the routing of experts is not shown")] = None
    kv_transfer_params: Annotated[object, Only(why="caches are not moved")] = None
    ec_transfer_params: Annotated[object, Only(why="caches are not moved")] = None
    mm_processor_kwargs: Annotated[object, Only({}, why="prompts are text")] = None
    vllm_xargs: Annotated[object, Only({}, why="there are no extensions")] = None
    repetition_detection: Annotated[object, Only(why="an answer ends at a stop or at its length")] = None
    thinking_token_budget: Annotated[object, Only(-1, why="reasoning has no separate budget")] = None
    watermarking: Annotated[object, Only(False, why="answers have no watermark")] = None

    @field_validator("logit_bias")
    @classmethod
    def _token_ids(cls, value: dict[str, float] | None) -> dict[str, float] | None:
        if value is not None and not all(one.isascii() and one.isdigit() and len(one) < 10 for one in value):
            raise wrong(WANTED, "an object whose names are token ids")
        return value

    @model_validator(mode="after")
    def _min_within_max(self) -> Self:
        if self.min_tokens and self.limit is not None and self.min_tokens > self.limit:
            sentence = f"min_tokens is {self.min_tokens}, but an answer has at most {self.limit} tokens"
            raise wrong(SENTENCE, sentence, "min_tokens")
        return self

    @property
    def limit(self) -> int | None:
        """The largest number of tokens in an answer; None means as many as fit."""
        return None

    @property
    def stops(self) -> tuple[str, ...]:
        """The stop sequences, as texts."""
        return tuple(self.stop or ())

    @property
    def biases(self) -> tuple[tuple[int, float], ...]:
        """What is added to the logits of which tokens."""
        return tuple((int(token), bias) for token, bias in (self.logit_bias or {}).items())

    @property
    def copies(self) -> int:
        """How many answers each prompt gets."""
        return 1

    @property
    def scored(self) -> int | None:
        """How many of the likeliest tokens are listed at each position of the answer; None: no log-probabilities."""
        return None

    @property
    def prompt_scored(self) -> int | None:
        """The same for the prompt."""
        return None


class StreamOptions(BaseModel):
    """How a stream ends, and what its chunks hold besides text."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    include_usage: Annotated[bool | None, says("End with a chunk that counts the tokens.")] = None
    continuous_usage_stats: Annotated[bool | None, says("Count the tokens in each chunk.")] = None
    include_obfuscation: Annotated[object, Ignored("chunks are not padded")] = None
