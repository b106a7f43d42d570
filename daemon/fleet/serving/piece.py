"""What a replica says of one answer, message by message."""

from dataclasses import dataclass

from hotswapd.daemon.fleet.book import Tag
from hotswapd.swap.rows.asks import Ask
from hotswapd.swap.rows.sampling import Sampling
from hotswapd.swap.rows.tickets import TokenLogprobs


@dataclass(frozen=True, slots=True)
class Wanted:
    """One request on its way to a replica: what is asked, and the only generation that may answer."""

    tag: Tag
    ask: Ask


@dataclass(frozen=True, slots=True)
class Piece:
    """The tokens that were made since the last message, and the end if this is it: see `tickets.Progress`.

    `member` is the replica. `refused` says that it does not take the request, and that another may: it does not hold
    the generation, or its queue is full, as `code` says. `param` is the field at fault where `code` is one of AskCode.
    A message with nothing in it says that it has taken the request, or that it is alive.
    """

    member: str
    tokens: tuple[int, ...] = ()
    finish: str | None = None
    error: str | None = None
    code: str = ""
    logprobs: tuple[TokenLogprobs, ...] = ()
    prompt_logprobs: tuple[TokenLogprobs | None, ...] = ()
    refused: bool = False
    param: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether it says nothing but that the replica lives."""
        return not (self.tokens or self.finish or self.prompt_logprobs)


@dataclass(frozen=True, slots=True)
class Described:
    """What a replica says of the model that it has loaded: what an ingress has no weights to find out.

    `context` and `vocabulary` are in tokens; `usual` is how the model samples by itself.
    """

    context: int
    vocabulary: int
    usual: Sampling
