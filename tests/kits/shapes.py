"""What the tests of shapes share: pieces of answers, a tokenizer of letters, and a stream read back."""

import json
from typing import Any

from hotswapd.daemon.serve.conversation import Piece
from hotswapd.daemon.serve.shapes.shape import Head, Shape, Whole
from hotswapd.daemon.serve.token_texts import TokenTexts
from hotswapd.swap.rows.tickets import TokenLogprobs


class Letters(TokenTexts):
    """Every token is the character of its number."""

    def __init__(self) -> None:
        super().__init__(None)

    def raw(self, token: int) -> bytes:
        return chr(token).encode()

    def text(self, token: int) -> str:
        return chr(token)


HEAD = Head("m", "hotswapd-g3-x", 5, created=1_700_000_000, number="7")


def score(letter: str, logprob: float, **top: float) -> TokenLogprobs:
    """Score a token; `top` are the likeliest, by their letters."""
    return TokenLogprobs(ord(letter), logprob, tuple((ord(one), value) for one, value in top.items()))


def whole(*pieces: Piece) -> Whole:
    gathered = Whole()
    for piece in pieces:
        gathered.add(piece)
    return gathered


def events(text: str) -> list[Any]:
    """Read server-sent events; the last one may be the word that ends a stream."""
    datas = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    return [data if data == "[DONE]" else json.loads(data) for data in datas]


def streamed(shape: Shape, *pieces: Piece) -> list[Any]:
    """Make a whole stream, and read it."""
    tokens = {piece.index: piece.tokens for piece in pieces}
    told = [shape.opening(), *(shape.part(piece) for piece in pieces), shape.closing(sum(tokens.values()))]
    return events("".join(told))
