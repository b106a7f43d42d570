"""One request as the engine sees it: an Ask for each answer that it wants."""

from dataclasses import dataclass, replace

from hotswapd.swap.rows.asks import Ask
from hotswapd.swap.rows.candidate import Candidate


@dataclass(frozen=True, slots=True)
class Question:
    """All asks of a request, `copies` for each prompt, in the order of the answers.

    `echoes` are the texts of the prompts, one for each ask, if answers begin with them.
    """

    asks: tuple[Ask, ...]
    copies: int = 1
    echoes: tuple[str, ...] = ()

    @property
    def prompt_tokens(self) -> int:
        """Tokens of all prompts; those that have several answers count once."""
        return sum(len(ask.prompt) for ask in self.asks[:: self.copies])

    def sent_by(self, client: str) -> "Question":
        """Return the same question, known to come from this client."""
        return replace(self, asks=tuple(replace(ask, client=client) for ask in self.asks))

    def for_generation(self, generation: int | Candidate) -> "Question":
        """Return the same question for another generation."""
        return replace(self, asks=tuple(replace(ask, generation=generation) for ask in self.asks))
