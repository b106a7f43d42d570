"""How a request samples, and the numbers that it draws at."""

import math

from hotswapd.swap.rows.sampling import Sampling, uniform

DRAWS = 20_000
CHI_SQUARE_99_AT_0_999 = 148.23  # upper 0.1 % point with 99 degrees of freedom; the seeds are fixed


def chi_square(numbers: list[float]) -> float:
    counted = [0] * 100
    for number in numbers:
        counted[int(number * 100)] += 1
    expected = len(numbers) / 100
    return sum((count - expected) ** 2 / expected for count in counted)


def test_numbers_are_spread_evenly_over_seeds_and_over_steps() -> None:
    """So one long answer, and the first tokens of many, are fairly drawn."""
    for numbers in ([uniform(seed, 0) for seed in range(DRAWS)], [uniform(7, step) for step in range(DRAWS)]):
        assert all(0 < number < 1 for number in numbers)
        assert chi_square(numbers) < CHI_SQUARE_99_AT_0_999


def test_neighbours_do_not_go_together() -> None:
    """Neither the next step of a seed nor the same step of the next seed."""
    for pairs in (
        [(uniform(3, step), uniform(3, step + 1)) for step in range(DRAWS)],
        [(uniform(seed, 5), uniform(seed + 1, 5)) for seed in range(DRAWS)],
        [(uniform(seed, 5), uniform(seed, 6)) for seed in range(DRAWS)],
        [(uniform(n, n), uniform(n + 1, n + 1)) for n in range(DRAWS)],
    ):
        covariance = sum((one - 0.5) * (other - 0.5) for one, other in pairs) / len(pairs)
        assert abs(covariance * 12) < 4 / math.sqrt(DRAWS)


def test_a_number_is_a_pure_function_of_seed_and_step() -> None:
    """The same on every machine: the first number of splitmix64 with seed 0, as its authors have it."""
    assert abs(uniform(0, 0) * 2**53 - (0xE220A8397B1DCDAF >> 11)) <= 1
    assert uniform(1, 0) != uniform(0, 0) != uniform(0, 1)
    assert 0 < uniform(2**63 - 1, 10**6) < 1


def test_cold_enough_is_greedy() -> None:
    """To divide logits by less would make them infinite."""
    assert Sampling().greedy
    assert Sampling(temperature=9e-6).greedy
    assert not Sampling(temperature=1e-5).greedy


def test_only_what_changes_logits_shapes_them() -> None:
    """Whatever else is set, a row of which nothing changes is drawn from as it is."""
    assert not Sampling(temperature=1.0, top_p=0.5, top_k=3, min_p=0.1, seed=5).shapes
    for how in (
        Sampling(repetition_penalty=1.1),
        Sampling(presence_penalty=-0.5),
        Sampling(frequency_penalty=0.5),
        Sampling(logit_bias=((1, 2.0),)),
        Sampling(min_tokens=1),
    ):
        assert how.shapes
