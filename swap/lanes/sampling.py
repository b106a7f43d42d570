"""Per-request sampling for a lane: temperature, top-k, top-p, and noise from (seed, step).

transformers' loop has one `do_sample` for all its requests and draws from one global generator, so two
requests cannot have two seeds. Here the loop always takes the maximum, and its processor adds Gumbel noise
that is a pure function of (seed, step, token): argmax(logits + Gumbel) is a draw from softmax(logits) (the
Gumbel-max trick), a greedy request gets none, and a seed gives the same tokens alone or in a mix.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from transformers import LogitsProcessorList, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper
from transformers.generation.continuous_batching.cb_logits_processors import (
    ContinuousBatchingLogitsProcessor,
    ContinuousBatchingLogitsProcessorList,
    ContinuousBatchingTemperatureLogitsWarper,
    ContinuousBatchingTopKLogitsWarper,
    ContinuousBatchingTopPLogitsWarper,
)

_MASK64 = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_LARGEST = 3.0e38  # finite in float32: a masked or infinite logit must not turn into NaN when noise is added


@dataclass(frozen=True, slots=True)
class Sampling:
    """How one request draws its tokens: `temperature` 0 is greedy, `top_k` 0 and `top_p` 1 are off."""

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int = 0

    def arguments(self, vocabulary: int) -> dict[str, Any]:
        """Say it in the loop's own keyword arguments, in the ranges that it survives.

        A greedy request passes temperature 1 and no noise: dividing by 0 would kill the lane.
        """
        greedy = self.temperature == 0.0
        return {
            "temperature": 1.0 if greedy else float(self.temperature),
            "top_k": min(self.top_k, vocabulary) if self.top_k > 0 and not greedy else vocabulary,
            "top_p": 1.0 if greedy else float(self.top_p),
            "noise_seed": -1 if greedy else self.seed & 0x7FFFFFFFFFFFFFFF,
        }


def noise_key(seed: int, step: int) -> int:
    """Mix seed and step into a key of 31 bits (splitmix64, Steele et al. 2014); -1 means no noise."""
    if seed < 0:
        return -1
    z = (seed + (step + 1) * _GOLDEN) & _MASK64
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK64
    return (z ^ (z >> 31)) >> 33


def token_counters(vocabulary: int, device: torch.device) -> torch.Tensor:
    """Make each token's part of the noise's counter, (vocabulary,) int64, once.

    Computed in a compiled step, inductor would make it of 32-bit indices on CUDA, and refuse the multiplier.
    """
    return torch.arange(vocabulary, device=device, dtype=torch.int64) * 0x85EBCA77


def gumbel(keys: torch.Tensor, counters: torch.Tensor) -> torch.Tensor:
    """Draw Gumbel(0, 1) noise, (rows, vocabulary) float32, from keys (rows,); rows with key -1 are zero.

    Counter-based: a 32-bit finaliser (murmur3's) over (key, token), so it needs no generator state.
    `counters` are those of `token_counters`.
    """
    mixed = (keys.to(torch.int64).unsqueeze(-1) * 0x9E3779B1 + counters) & 0xFFFFFFFF
    for multiplier in (0x85EBCA6B, 0xC2B2AE35):
        mixed = (((mixed ^ (mixed >> 16)) & 0xFFFFFFFF) * multiplier) & 0xFFFFFFFF
    mixed = mixed ^ (mixed >> 16)
    uniform = (mixed.to(torch.float64) + 0.5) * 2.0**-32
    noise = -torch.log(-torch.log(uniform)).to(torch.float32)
    return torch.where((keys < 0).unsqueeze(-1), torch.zeros_like(noise), noise)


class Seen(NamedTuple):
    """What a step's logits say of a request's newest token.

    `logprob` is the token's log-probability in nats as the model itself has it, before temperature, top-k and top-p;
    None when the step was not scored.
    """

    non_finite: bool = False
    logprob: float | None = None


class LaneSampler(ContinuousBatchingLogitsProcessor):
    """A lane's only processor: temperature, top-k, top-p and noise, each per request, in that order.

    Also notes whether the model itself gave a NaN or an infinite logit, and to whom, and while `scoring` is set how
    probable each token was, which costs four kernels a step and no wait of its own. Its methods run on the lane's
    thread; `take_non_finite` may be called from any thread while the lane is between two steps, and `scoring` set from
    any at any time. `rows` is the most requests in a step. It stays outside what is compiled: on CUDA inductor (torch
    2.11) fails on the running sum that top-p takes over a large vocabulary.
    """

    ignored_kwargs = ()

    def __init__(self, vocabulary: int, device: torch.device, rows: int) -> None:
        self._warpers: tuple[ContinuousBatchingLogitsProcessor, ...] = (
            ContinuousBatchingTemperatureLogitsWarper(TemperatureLogitsWarper(1.0)),
            ContinuousBatchingTopKLogitsWarper(TopKLogitsWarper(vocabulary)),
            ContinuousBatchingTopPLogitsWarper(TopPLogitsWarper(1.0)),
        )
        self.supported_kwargs = {"noise_seed": int, "temperature": float, "top_k": int, "top_p": float}
        self._sampled = False
        self._counters = token_counters(vocabulary, device)
        self._rows = torch.zeros((3, rows), dtype=torch.int32, device=device)
        for warper, row in zip(self._warpers, self._rows, strict=True):
            warper.fill_defaults(row)
        self._non_finite = torch.zeros((), dtype=torch.bool, device=device)
        self.scoring = self._scored = False
        self._seen = torch.zeros((rows, 2), dtype=torch.float32, device=device)
        self._requests: list[Any] = []

    def fill_defaults(self, int32_tensor: torch.Tensor) -> None:
        """Fill the loop's argument row with "no noise"."""
        int32_tensor.fill_(-1)

    def prepare_tensor_args(self, requests_with_new_token: list[Any]) -> torch.Tensor:
        """Make this step's noise keys, (requests,) int32; the other arguments go into their fixed rows."""
        self._requests = requests_with_new_token
        keys = [
            noise_key(request.state.logit_processor_kwargs.get("noise_seed", -1), request.state.generated_len())
            for request in requests_with_new_token
        ]
        self._sampled = any(key >= 0 for key in keys)
        if self._sampled:
            for warper, row in zip(self._warpers, self._rows, strict=True):
                row[: len(keys)] = warper.prepare_tensor_args(requests_with_new_token).to(row.device)
        return torch.tensor(keys, dtype=torch.int32)

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def __call__(self, scores: torch.Tensor, tensor_arg: torch.Tensor) -> torch.Tensor:
        """Turn logits (rows, vocabulary) into finite scores whose maximum is each request's draw."""
        bad = ~torch.isfinite(scores).all(dim=-1)
        seen = self._seen[: bad.size(0)]
        seen[:, 0] = bad
        self._non_finite.logical_or_(bad.any())
        drawn = self._draw(scores, tensor_arg)
        self._scored = self.scoring
        if self._scored:
            seen[:, 1] = logprobs(scores, drawn.argmax(dim=-1))
        return drawn

    def _draw(self, scores: torch.Tensor, tensor_arg: torch.Tensor) -> torch.Tensor:
        scores = torch.nan_to_num(scores, nan=-_LARGEST, posinf=_LARGEST, neginf=-_LARGEST)
        if not self._sampled:
            return scores
        for warper, row in zip(self._warpers, self._rows, strict=True):
            scores = warper(scores, row)
        noise = gumbel(tensor_arg[: scores.size(0)], self._counters)
        return scores.clamp_min(-_LARGEST) + noise

    def take_seen(self) -> dict[str, Seen]:
        """Say by request what was seen in this step, once its tokens are there. Waits for the device."""
        requests, self._requests = self._requests, []
        rows = self._seen[: len(requests)].tolist() if requests else []
        return {
            one.state.request_id: Seen(bool(bad), logprob if self._scored else None)
            for one, (bad, logprob) in zip(requests, rows, strict=True)
        }

    def take_non_finite(self) -> bool:
        """Say whether a logit was NaN or infinite since the last call. Waits for the device."""
        seen = bool(self._non_finite.item())
        self._non_finite.zero_()
        return seen


def logprobs(logits: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """Return the log-probability in nats, (rows,) float32, of one token (rows,) in each row of (rows, vocabulary)."""
    return torch.log_softmax(logits, dim=-1).gather(-1, tokens.unsqueeze(-1)).squeeze(-1)


def lane_processors(sampler: LaneSampler) -> ContinuousBatchingLogitsProcessorList:
    """Wrap the sampler as the loop wants it, with the one argument row that it needs."""
    processors = ContinuousBatchingLogitsProcessorList(LogitsProcessorList([sampler]))
    processors.tensors_required = 1
    return processors
