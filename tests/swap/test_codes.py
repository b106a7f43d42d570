"""The codes of this package: unique, explained, and complete for what strict JSON refuses."""

import inspect
from collections import Counter

import pytest

from hotswapd.codes import Code
from hotswapd.swap import codes, request_codes
from hotswapd.swap.adapter.strict_json import Fault
from hotswapd.swap.codes import FilesCode, HeaderCode, TensorCode
from hotswapd.swap.request_codes import AnswerCode

ENUMS = [
    one
    for module in (codes, request_codes)
    for _, one in inspect.getmembers(module, inspect.isclass)
    if issubclass(one, Code) and one is not Code
]

NON_FINITE = "non_finite"


def test_no_code_has_two_meanings() -> None:
    """Every value is in one enum only, but for numbers that are not finite: of weights, or of answers."""
    counted = Counter(member.value for enum in ENUMS for member in enum)
    assert [value for value, times in counted.items() if times > 1] == [NON_FINITE]
    assert TensorCode.NON_FINITE.value == AnswerCode.NON_FINITE.value == NON_FINITE
    assert len(counted) > 80


@pytest.mark.parametrize("enum", ENUMS, ids=lambda enum: enum.__name__)
def test_every_code_is_explained(enum: type[Code]) -> None:
    """The page docs/codes.md is made of these texts."""
    assert all(member.meaning for member in enum)


@pytest.mark.parametrize("fault", Fault)
def test_both_files_have_a_code_for_each_fault_of_json(fault: Fault) -> None:
    """The codes are put together from these two parts."""
    assert FilesCode(f"config_{fault}").meaning
    assert HeaderCode(f"header_{fault}").meaning
