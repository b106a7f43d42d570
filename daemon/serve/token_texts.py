"""What single tokens are: their bytes, and a text for each, as log-probabilities show them."""

import json
import re
from collections.abc import Iterator
from typing import Any

_BYTE = re.compile(r"<0x([0-9A-F]{2})>\Z")
_WORD_START = "\N{LOWER ONE EIGHTH BLOCK}"  # what SentencePiece writes for a space


def _byte_alphabet() -> dict[str, int]:
    """Return GPT-2's alphabet: the character that stands for each byte in a byte-level vocabulary."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(256 + place): byte for place, byte in enumerate(others)}


_ALPHABET = _byte_alphabet()


class TokenTexts:
    """The tokens of one tokenizer. Every method is legal on any thread."""

    def __init__(self, tokenizer: Any) -> None:
        """`tokenizer` is the base's own, or None: then a token is shown by its number."""
        self._backend: Any = getattr(tokenizer, "backend_tokenizer", None)
        steps = set(_steps(self._backend))
        self._byte_level = "ByteLevel" in steps
        self._pieces = bool(steps & {"ByteFallback", "Metaspace", "Replace"})
        self._whole = {} if self._backend is None else self._backend.get_added_tokens_decoder()
        self._known: dict[int, tuple[bytes, str]] = {}

    def raw(self, token: int) -> bytes:
        """Return the bytes that a token adds to a text; those of a character may lie in several tokens."""
        return self._look_up(token)[0]

    def text(self, token: int) -> str:
        """Return a token as text; half of a character is shown as U+FFFD."""
        return self._look_up(token)[1]

    def _look_up(self, token: int) -> tuple[bytes, str]:
        found = self._known.get(token)
        if found is None:
            raw = self._read(token)
            found = self._known[token] = raw, raw.decode(errors="replace")
        return found

    def _read(self, token: int) -> bytes:
        piece = self._backend.id_to_token(token) if self._backend is not None else None
        if piece is None:
            return f"token_id:{token}".encode()
        if token in self._whole:
            return str(piece).encode()
        if self._byte_level:
            return b"".join(_ALPHABET[one].to_bytes() if one in _ALPHABET else one.encode() for one in piece)
        if self._pieces:
            byte = _BYTE.match(piece)
            return bytes.fromhex(byte[1]) if byte else str(piece).replace(_WORD_START, " ").encode()
        return str(self._backend.decode([token], skip_special_tokens=False)).encode()


def _steps(backend: Any) -> Iterator[str]:
    """Yield the types of a tokenizer's decoder and of all that it is made of."""
    decoder = getattr(backend, "decoder", None)
    left = [json.loads(decoder.__getstate__())] if decoder is not None else []
    while left:
        one = left.pop()
        yield str(one.get("type"))
        left += one.get("decoders", ())
