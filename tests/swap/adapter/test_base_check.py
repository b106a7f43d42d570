"""The base that an adapter names: what is taken, what is warned of, and what is refused."""

from dataclasses import replace
from typing import Any

import pytest

from hotswapd.swap.adapter.base_check import check_base
from hotswapd.swap.adapter.contract import Contract

SERVED = "meta-llama/Meta-Llama-3-8B"
FIELD = "base_model_name_or_path"


def codes(config: dict[str, Any], **changes: Any) -> tuple[list[str], list[str]]:
    contract = replace(Contract((SERVED,), (), 8, "float32", "abc"), **changes)
    refused, warned = check_base(config, contract)
    assert all(misfit.remedy and misfit.wanted for misfit in (*refused, *warned))
    return [misfit.code for misfit in refused], [misfit.code for misfit in warned]


@pytest.mark.parametrize(
    ("name", "refused", "warned"),
    [
        (SERVED, [], []),
        ("unsloth/llama-3-8b-bnb-4bit", [], []),
        ("/home/x/models/Meta-Llama-3-8B", [], []),
        ("meta-llama/Llama-3.1-8B", [], ["base_related"]),
        ("meta-llama/Meta-Llama-3-8B-Instruct", [], ["base_related"]),
        ("meta-llama/Meta-Llama-3-70B", ["other_base"], []),
        ("Qwen/Qwen3-8B", ["other_base"], []),
        (None, [], ["base_unnamed"]),
        ("", [], ["base_unnamed"]),
        (7, ["other_base"], []),
        ([], ["other_base"], []),
        (f"{SERVED}\n", ["other_base"], []),
        (f"x/{SERVED}" + "/" * 2000, ["other_base"], []),
    ],
)
def test_a_name_is_taken_by_its_family(name: object, refused: list[str], warned: list[str]) -> None:
    """With ``exact`` only the very name is, and with a star every one, without a word."""
    assert codes({FIELD: name}) == (refused, warned)
    assert codes({FIELD: name}, names="exact") == ([] if name == SERVED else ["other_base"], [])
    assert codes({FIELD: name}, base_models=("*",)) == ([], [])


def test_an_adapter_without_the_field_has_no_name() -> None:
    assert codes({}) == ([], ["base_unnamed"])
    assert codes({}, names="exact") == (["other_base"], [])


@pytest.mark.parametrize(
    ("name", "refused"),
    [(SERVED, ["other_base_revision"]), (None, ["other_base_revision"]), ("unsloth/llama-3-8b", [])],
)
def test_the_revision_of_a_copy_is_not_compared(name: str | None, refused: list[str]) -> None:
    """It is a commit of another repository."""
    assert codes({FIELD: name, "revision": "def"})[0] == refused
    assert codes({FIELD: name, "revision": "abc"})[0] == []


def test_a_name_that_was_warned_of_can_be_configured() -> None:
    """Then it is taken without a warning."""
    related = "meta-llama/Llama-3.1-8B"
    assert codes({FIELD: related}, base_models=(SERVED, related)) == ([], [])
