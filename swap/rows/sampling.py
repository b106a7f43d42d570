"""How one request draws its tokens: plain values, no torch."""

from dataclasses import dataclass

_MASK64 = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
COLDEST = 1e-5
"""Temperatures below this are greedy: dividing logits by them gives infinities."""
USUAL = 1.0
"""Above this temperature answers say more of the request than of the model."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How one request draws its tokens: `temperature` 0 is greedy; `top_k` 0, `top_p` 1 and `min_p` 0 are off.

    Penalties are those of the OpenAI API and of transformers. Before an answer has `min_tokens` tokens it neither ends
    nor has a stop token. `logit_bias` are pairs of a token and what is added to its logit.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: tuple[tuple[int, float], ...] = ()
    min_tokens: int = 0

    @property
    def greedy(self) -> bool:
        """Whether the likeliest token is always taken."""
        return self.temperature < COLDEST

    @property
    def shapes(self) -> bool:
        """Whether logits are changed before a token is drawn."""
        penalised = self.presence_penalty or self.frequency_penalty or self.repetition_penalty != 1.0
        return bool(penalised or self.logit_bias or self.min_tokens)

    @property
    def usual(self) -> bool:
        """Whether answers are the model's own: drawn from what it finds likely, and from nothing that was changed."""
        return self.temperature <= USUAL and not self.shapes


def uniform(seed: int, step: int) -> float:
    """Mix seed and step into a number in (0, 1) (splitmix64, Steele et al. 2014).

    A pure function of both: a seed gives the same draws alone or in a mix, and on another machine.
    """
    z = (seed + (step + 1) * _GOLDEN) & _MASK64
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK64
    z ^= z >> 31
    return ((z >> 11) + 0.5) * 2.0**-53
