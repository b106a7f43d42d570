"""Patterns: only those that win matter, as PEFT's own rules say."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from peft.utils.other import get_pattern_key

from hotswapd.swap.adapter.config import is_literal
from hotswapd.swap.adapter.patterns import PART, in_parts, relevant_names, winning

# A few pieces, so that random names and patterns meet often, also by way of dots that match other characters.
_piece = st.sampled_from(["model", "layers", "0", "1", "q_proj", "v_proj", "self_attn", "q.proj", "a-b", "."])
_pattern = st.builds(
    lambda start, pieces: start + ".".join(pieces), st.sampled_from(["", "^"]), st.lists(_piece, min_size=1, max_size=4)
)
_module = st.lists(
    st.sampled_from(["model", "layers", "0", "1", "q_proj", "v_proj", "self_attn"]), min_size=1, max_size=5
)


@pytest.mark.slow
@given(
    st.lists(_pattern, max_size=8, unique=True), st.lists(_module.map(".".join), min_size=1, max_size=8, unique=True)
)
@settings(max_examples=400)
def test_dropping_the_patterns_that_lose_changes_nothing(keys: list[str], modules: list[str]) -> None:
    """For each module, PEFT finds the same pattern among those that are kept as among all."""
    assert all(is_literal(key) for key in keys)
    kept = winning(dict.fromkeys(keys, 1), modules)
    for module in modules:
        assert get_pattern_key(kept, module) == get_pattern_key(keys, module)
    assert len(kept) <= len(modules)


@given(st.lists(_pattern.map(lambda name: name.removeprefix("^")), max_size=6), _module.map(".".join))
def test_a_name_is_relevant_when_a_module_ends_with_it(names: list[str], module: str) -> None:
    """The names that are kept are exactly those which PEFT's rule for lists of targets would match."""
    assert relevant_names(names, [module]) == {n for n in names if module == n or module.endswith(f".{n}")}


def test_parts_are_the_whole() -> None:
    """Few patterns need one part; with many, the parts follow each other without gap."""
    modules = [str(n) for n in range(1001)]
    assert list(in_parts(modules, 400)) == [modules]
    assert [name for part in in_parts(modules, 401) for name in part] == modules
    assert max(map(len, in_parts(modules, 401))) == PART
    assert list(in_parts([], 0)) == []
