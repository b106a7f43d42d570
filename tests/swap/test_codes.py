"""The codes of this package: unique, explained, and complete for what strict JSON refuses."""

import inspect

import pytest

from hotswapd.codes import Code
from hotswapd.swap import codes
from hotswapd.swap.adapter.strict_json import Fault
from hotswapd.swap.codes import FilesCode, HeaderCode

ENUMS = [one for _, one in inspect.getmembers(codes, inspect.isclass) if issubclass(one, Code) and one is not Code]


def test_no_code_has_two_meanings() -> None:
    """Every value is in one enum of this package only."""
    values = [member.value for enum in ENUMS for member in enum]
    assert len(values) == len(set(values)) > 80


@pytest.mark.parametrize("enum", ENUMS, ids=lambda enum: enum.__name__)
def test_every_code_is_explained(enum: type[Code]) -> None:
    """The page docs/codes.md is made of these texts."""
    assert all(member.meaning for member in enum)


@pytest.mark.parametrize("fault", Fault)
def test_both_files_have_a_code_for_each_fault_of_json(fault: Fault) -> None:
    """The codes are put together from these two parts."""
    assert FilesCode(f"config_{fault}").meaning
    assert HeaderCode(f"header_{fault}").meaning
