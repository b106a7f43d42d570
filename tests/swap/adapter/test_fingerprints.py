"""What two fingerprints say about each other: in what they differ, and nothing where one of both is unknown."""

import pytest

from hotswapd.swap.adapter.fingerprints import difference, make_fingerprint

ONE = make_fingerprint("llama", "a" * 64, "b" * 64)
OTHER = {
    make_fingerprint("llama", "a" * 64, "c" * 64): "its weights",
    make_fingerprint("llama", "c" * 64, "b" * 64): "the names or shapes of its tensors",
    make_fingerprint("qwen3", "c" * 64, "c" * 64): "its family",
}


@pytest.mark.parametrize("other", OTHER)
def test_the_first_part_that_differs_is_named(other: str) -> None:
    assert difference(ONE, other) == difference(other, ONE) == OTHER[other]


@pytest.mark.parametrize("unknown", ["", ":", "2" + ONE[1:], f"{ONE}:more", "of another scheme"])
def test_what_cannot_be_compared_does_not_differ(unknown: str) -> None:
    assert difference(ONE, unknown) == difference(unknown, ONE) == difference(ONE, ONE) == ""


def test_a_familys_name_cannot_pass_for_another_part() -> None:
    assert difference(make_fingerprint("a:b", "c", "d"), make_fingerprint("a", "b", "c")) == "its family"
