"""What holds for every body and every part of one: nothing is converted, nothing unknown is taken, work is bounded."""

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from hotswapd.daemon.serve import requests

_KINDS = ("list", "set", "frozenset", "dict")


def described() -> list[type[BaseModel]]:
    """Find every description in the package."""
    for one in pkgutil.iter_modules(requests.__path__, f"{requests.__name__}."):
        importlib.import_module(one.name)
    return sorted(
        {one for one in below(BaseModel) if one.__module__.startswith(requests.__name__)}, key=lambda one: one.__name__
    )


def below(kind: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for one in kind.__subclasses__():
        yield one
        yield from below(one)


def schemas(node: object, *kinds: str) -> Iterator[dict[str, Any]]:
    """Yield every part of a validator's description that is of one of these kinds, whatever it is within."""
    if isinstance(node, dict):
        if node.get("type") in kinds:
            yield node
        for value in node.values():
            yield from schemas(value, *kinds)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from schemas(value, *kinds)


MODELS = described()


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_nothing_is_converted_and_nothing_unknown_is_taken(model: type[BaseModel]) -> None:
    """``"yes"`` is no truth and ``"1"`` no number, and what a client sends beyond the fields is refused by its name."""
    assert model.model_config.get("strict") is True
    assert model.model_config.get("extra") == "forbid"
    assert model.model_config.get("frozen") is True


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_list_that_is_all_wrong_costs_little(model: type[BaseModel]) -> None:
    """It is short, or the first wrong item ends it: else an error is made for each of a million."""
    for node in schemas(model.__pydantic_core_schema__, *_KINDS):
        assert node.get("fail_fast") or node.get("max_length") is not None, node


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_number_is_finite(model: type[BaseModel]) -> None:
    numbers = list(schemas(model.__pydantic_core_schema__, "float"))
    assert not numbers or model.model_config.get("allow_inf_nan") is False


def test_there_is_something_to_look_at() -> None:
    assert len(MODELS) > 10
    assert any(list(schemas(model.__pydantic_core_schema__, "list")) for model in MODELS)
    assert any(list(schemas(model.__pydantic_core_schema__, "float")) for model in MODELS)
