"""Answers whose ids say by themselves which generation gave them: for processes that answer for one another."""

import hashlib
import hmac
import secrets

from .newest import KEPT, Newest

_NONCE, _NUMBER, _PROOF = 8, 4, 12
"""Bytes of an id: what makes it its own, its generation, and what only a holder of the secret can make of both."""


class Once:
    """What has come already, of the newest so many. Every method is legal on any thread."""

    def __init__(self, kept: int = KEPT) -> None:
        """Know nothing."""
        self._known = Newest[None](kept)

    def is_first(self, name: str) -> bool:
        """Tell whether this comes for the first time."""
        return self._known.add(name, None)


class SignedAnswers:
    """A `feedback.Remembering` that remembers no answer, and knows those of every process with this secret.

    Every method is legal on any thread. A second score of an answer does not count here; elsewhere it is for whoever
    adds up the scores to know that it is the second.
    """

    def __init__(self, secret: bytes) -> None:
        """`secret` is known to all of these processes, and to no client."""
        self._secret = secret
        self._taken = Once()

    def number(self, generation: int) -> str:
        """Make the number of an answer's id: 48 hexadecimal digits."""
        said = secrets.token_bytes(_NONCE) + generation.to_bytes(_NUMBER)
        return (said + self._proof(said)).hex()

    def note(self, number: str, generation: int) -> None:
        """Remember nothing: the id has it."""

    def take(self, number: str) -> int | None:
        """Return the generation that gave an answer; None if the id was made by nobody here, or was taken before."""
        try:
            made = bytes.fromhex(number.replace("_", "-").rpartition("-")[2])
        except ValueError:
            return None
        said, proof = made[:-_PROOF], made[-_PROOF:]
        if len(said) != _NONCE + _NUMBER or not hmac.compare_digest(proof, self._proof(said)):
            return None
        return int.from_bytes(said[_NONCE:]) if self._taken.is_first(made.hex()) else None

    def _proof(self, said: bytes) -> bytes:
        return hmac.new(self._secret, said, hashlib.sha256).digest()[:_PROOF]
