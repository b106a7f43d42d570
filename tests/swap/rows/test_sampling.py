"""The noise that makes a lane sample: its distribution, its reproducibility, and its silence for greedy requests."""

from types import SimpleNamespace
from typing import Any

import torch

from hotswapd.swap.rows.sampling import LaneSampler, Sampling, gumbel, lane_processors, noise_key, token_counters

VOCABULARY = 50
COUNTERS = token_counters(VOCABULARY, torch.device("cpu"))
DRAWS = 100_000
CHI_SQUARE_49_AT_0_999 = 85.35  # upper 0.1 % point with 49 degrees of freedom; keys are fixed, so this cannot flake


def chi_square(tokens: torch.Tensor, logits: torch.Tensor) -> float:
    expected = torch.softmax(logits.double(), 0) * len(tokens)
    counted = torch.bincount(tokens, minlength=len(logits)).double()
    return float(((counted - expected) ** 2 / expected).sum())


def request(kwargs: dict[str, Any], generated: int = 0) -> SimpleNamespace:
    return SimpleNamespace(
        state=SimpleNamespace(logit_processor_kwargs=kwargs, generated_len=lambda: generated), has_new_token=True
    )


def run(sampler: LaneSampler, logits: torch.Tensor, requests: list[SimpleNamespace]) -> torch.Tensor:
    row = torch.full((len(requests),), -1, dtype=torch.int32)
    row[:] = sampler.prepare_tensor_args(requests)
    scores: torch.Tensor = sampler(logits, row)
    return scores


def sampler() -> LaneSampler:
    return LaneSampler(VOCABULARY, torch.device("cpu"), rows=8)


def test_noise_over_seeds_draws_from_the_softmax() -> None:
    """With one step and many seeds the draws follow softmax(logits)."""
    logits = torch.randn(VOCABULARY, generator=torch.Generator().manual_seed(1)) * 2
    keys = torch.tensor([noise_key(seed, 0) for seed in range(DRAWS)], dtype=torch.int32)
    assert chi_square((logits + gumbel(keys, COUNTERS)).argmax(-1), logits) < CHI_SQUARE_49_AT_0_999


def test_noise_over_steps_draws_from_the_softmax() -> None:
    """With one seed and many steps they do too, so one long answer is fairly drawn."""
    logits = torch.randn(VOCABULARY, generator=torch.Generator().manual_seed(2)) * 2
    keys = torch.tensor([noise_key(7, step) for step in range(DRAWS)], dtype=torch.int32)
    assert chi_square((logits + gumbel(keys, COUNTERS)).argmax(-1), logits) < CHI_SQUARE_49_AT_0_999


def test_temperature_and_top_k_shape_the_distribution() -> None:
    """Temperature divides the logits, and nothing outside the k largest is ever drawn."""
    logits = torch.randn(VOCABULARY, generator=torch.Generator().manual_seed(3))
    drawn = set()
    for seed in range(2000):
        arguments = Sampling(temperature=2.0, top_k=3, seed=seed).arguments(VOCABULARY)
        drawn.add(int(run(sampler(), logits[None].clone(), [request(arguments)]).argmax()))
    assert drawn == set(logits.topk(3).indices.tolist())


def test_top_p_keeps_the_smallest_set_that_reaches_it() -> None:
    """A token that alone holds more than top_p is the only one drawn."""
    logits = torch.zeros(1, VOCABULARY)
    logits[0, 17] = 10.0
    for seed in range(200):
        arguments = Sampling(temperature=1.0, top_p=0.5, seed=seed).arguments(VOCABULARY)
        assert int(run(sampler(), logits.clone(), [request(arguments)]).argmax()) == 17


def test_a_seed_draws_the_same_alone_and_in_a_mix() -> None:
    """What stands in the other rows of a step changes nothing."""
    logits = torch.randn(3, VOCABULARY, generator=torch.Generator().manual_seed(4))
    arguments = Sampling(temperature=0.8, top_p=0.9, seed=99).arguments(VOCABULARY)
    greedy = Sampling().arguments(VOCABULARY)
    other = Sampling(temperature=1.5, seed=3).arguments(VOCABULARY)
    alone = run(sampler(), logits[1:2].clone(), [request(arguments, 5)])
    mixed = run(sampler(), logits.clone(), [request(greedy), request(arguments, 5), request(other)])
    assert torch.equal(alone[0], mixed[1])


def test_greedy_takes_the_maximum_whatever_shares_the_step() -> None:
    """A greedy row gets no noise, also when another row samples."""
    logits = torch.randn(2, VOCABULARY, generator=torch.Generator().manual_seed(5))
    rows = [request(Sampling().arguments(VOCABULARY)), request(Sampling(temperature=1.0).arguments(VOCABULARY))]
    assert int(run(sampler(), logits.clone(), rows)[0].argmax()) == int(logits[0].argmax())


def test_two_seeds_and_two_steps_differ() -> None:
    """Noise depends on both parts of its key."""
    keys = torch.tensor([noise_key(1, 0), noise_key(2, 0), noise_key(1, 1)], dtype=torch.int32)
    noise = gumbel(keys, COUNTERS)
    assert not torch.equal(noise[0], noise[1])
    assert not torch.equal(noise[0], noise[2])


def test_non_finite_logits_are_noted_and_do_no_harm() -> None:
    """NaN logits give finite scores, are told of once, and are forgotten then."""
    one = sampler()
    logits = torch.full((1, VOCABULARY), float("nan"))
    scores = run(one, logits, [request(Sampling(temperature=1.0).arguments(VOCABULARY))])
    assert torch.isfinite(scores).all()
    assert one.take_non_finite() is True
    assert one.take_non_finite() is False


def test_the_loop_accepts_every_argument_of_a_request() -> None:
    """transformers checks the names and types of per-request arguments against the processor's own."""
    processors = lane_processors(sampler())
    processors.check_kwargs(Sampling(temperature=0.5, top_p=0.5, top_k=5, seed=1 << 63).arguments(VOCABULARY))
    assert processors.tensors_required == 1
