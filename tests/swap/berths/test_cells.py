"""The look at the bits that tells finite values from others."""

import pytest
import torch

from hotswapd.swap.berths.cells import all_finite, cells_of

DTYPES = (torch.float32, torch.float16, torch.bfloat16)


def finite(values: torch.Tensor) -> bool:
    return all_finite(cells_of(values.view(torch.uint8).numpy(), values.dtype, tuple(values.shape)), values.dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan"), -float("nan")])
def test_one_value_that_is_not_finite_is_seen(dtype: torch.dtype, value: float) -> None:
    """With either sign, among ordinary values, in every dtype that adapters have."""
    values = torch.randn(7, 9).to(dtype)
    assert finite(values)
    values[3, 4] = value
    assert not finite(values)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_largest_and_smallest_values_are_finite(dtype: torch.dtype) -> None:
    """Whatever a finite value is, its sum with others is not asked: no overflow, no false alarm."""
    limits = torch.finfo(dtype)
    numbers = [limits.max, limits.min, limits.tiny, limits.smallest_normal, 0.0, -0.0]
    assert finite(torch.tensor(numbers * 50, dtype=dtype))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_every_pattern_of_two_bytes_is_judged_as_by_torch(dtype: torch.dtype) -> None:
    """All 65,536 of them."""
    every = torch.arange(-32768, 32768, dtype=torch.int32).to(torch.int16).view(dtype)
    seen = [finite(one.reshape(1, 1)) for one in every]
    assert seen == torch.isfinite(every).tolist()
