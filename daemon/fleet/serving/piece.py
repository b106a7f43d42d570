"""What a replica says of one answer, message by message."""

from dataclasses import dataclass

from hotswapd.daemon.fleet.book import Tag
from hotswapd.swap.rows.asks import Ask
from hotswapd.swap.rows.tickets import TokenLogprobs


@dataclass(frozen=True, slots=True)
class Wanted:
    """One request on its way to a replica: what is asked, and the only generation that may answer."""

    tag: Tag
    ask: Ask


@dataclass(frozen=True, slots=True)
class Piece:
    """The tokens that were made since the last message, and the end if this is it: see `tickets.Progress`.

    `member` is the replica. `refused` says that it does not hold the generation, and that another may. A message with
    nothing in it says that the replica is alive.
    """

    member: str
    tokens: tuple[int, ...] = ()
    finish: str | None = None
    error: str | None = None
    code: str = ""
    logprobs: tuple[TokenLogprobs, ...] = ()
    prompt_logprobs: tuple[TokenLogprobs | None, ...] = ()
    refused: bool = False
