"""The body of ``/v1/completions``."""

from typing import Annotated, Self

from pydantic import Discriminator, Field, Tag, model_validator

from .common import Common
from .fields import MOST_CHOICES, MOST_LOGPROBS, SENTENCE, UNSUPPORTED, WANTED, Only, Text, Tokens, says, wrong


def _kind(value: object) -> str | None:
    """Tell which of the four kinds of prompt it is, by its first item if it is a list."""
    match value:
        case str():
            return "text"
        case [str(), *_]:
            return "texts"
        case [list(), *_]:
            return "token lists"
        case list():
            return "tokens"
    return None


Prompt = Annotated[
    Annotated[Text, Tag("text")]
    | Annotated[Tokens, Tag("tokens")]
    | Annotated[list[Text], Field(max_length=MOST_CHOICES, fail_fast=True), Tag("texts")]
    | Annotated[list[Tokens], Field(max_length=MOST_CHOICES, fail_fast=True), Tag("token lists")],
    Discriminator(
        _kind,
        custom_error_type=WANTED,
        custom_error_message="a text, a list of texts, a list of token ids, or a list of such lists",
    ),
]


class CompletionBody(Common):
    """``/v1/completions``: texts or token ids, one or many."""

    prompt: Annotated[Prompt, says("A text, a list of texts, a list of token ids, or a list of such lists.")]
    max_tokens: Annotated[
        Annotated[int, Field(ge=0)] | None, says("16 if left out; 0 reads the prompt only, for `echo` and `logprobs`.")
    ] = None
    logprobs: Annotated[
        Annotated[int, Field(ge=0, le=MOST_LOGPROBS)] | None,
        says("Log-probabilities in the model's own distribution, and of this many of the likeliest at each position."),
    ] = None
    echo: Annotated[bool | None, says("The answer begins with the prompt, with its log-probabilities.")] = None
    best_of: Annotated[int | None, says("Only as many as `n`: no answer is thrown away.")] = None
    suffix: Annotated[object, Only("", why="text is not filled in before a suffix")] = None
    prompt_embeds: Annotated[object, Only(why="prompts are text or token ids")] = None
    add_special_tokens: Annotated[
        bool | None, says("False: without the tokens that the tokenizer puts around a text.")
    ] = None

    @model_validator(mode="after")
    def _choices(self) -> Self:
        if self.copies * len(self.prompts) > MOST_CHOICES:
            raise wrong(SENTENCE, f"n times the number of prompts must be at most {MOST_CHOICES}", "n")
        if self.best_of is not None and self.best_of != self.copies:
            raise wrong(UNSUPPORTED, "best_of must be n: no answer is thrown away", "best_of")
        return self

    @property
    def prompts(self) -> list[str | list[int]]:
        """Every prompt, in the order of the answers."""
        one = isinstance(self.prompt, str) or isinstance(self.prompt[0], int)
        return [self.prompt] if one else list(self.prompt)  # type: ignore[list-item,arg-type] # as the first item says

    @property
    def limit(self) -> int | None:
        """OpenAI's own default is 16."""
        return 16 if self.max_tokens is None else self.max_tokens

    @property
    def scored(self) -> int | None:
        """Log-probabilities are asked for by a number."""
        return self.logprobs

    @property
    def prompt_scored(self) -> int | None:
        """What is echoed is scored as the answer is."""
        echoed = self.logprobs if self.echo else None
        wanted = [one for one in (echoed, self.prompt_logprobs) if one is not None]
        return max(wanted, default=None)
