"""What a failure leaves behind: a sentence and its lines, but no tensor."""

import weakref

import pytest
import torch

from hotswapd.swap.errors import ResidentLost, RolledBack
from hotswapd.swap.failures import Contained, classify, is_sticky, let_go

pytestmark = pytest.mark.usefixtures("no_collector")
STICKY = [
    "CUDA error: an illegal memory access was encountered",
    "CUDA error: device-side assert triggered\nCompile with `TORCH_USE_CUDA_DSA`",
    "CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm`",
    "CUDA error: uncorrectable ECC error encountered",
]
PASSING = ["CUDA out of memory. Tried to allocate 2.00 GiB", "CUDA error: out of memory", "size mismatch", ""]


def _fail(error: BaseException, seen: list["weakref.ref[torch.Tensor]"]) -> None:
    tensor = torch.ones(8)
    seen.append(weakref.ref(tensor))
    raise error


def _fail_while_handling(seen: list["weakref.ref[torch.Tensor]"]) -> None:
    try:
        _fail(ValueError("first"), seen)
    except ValueError:
        _fail(RuntimeError("second"), seen)


@pytest.mark.parametrize("text", STICKY)
def test_a_device_that_fails_for_good_is_told_by_its_words(text: str) -> None:
    """Every CUDA error but a shortage of memory makes all later calls fail as well."""
    assert is_sticky(RuntimeError(text))
    assert is_sticky(torch.AcceleratorError("whatever the device said"))


@pytest.mark.parametrize("text", PASSING)
def test_other_failures_are_not_the_devices(text: str) -> None:
    """A shortage of memory passes, and an error of the model is the model's."""
    assert not is_sticky(RuntimeError(text))
    assert not is_sticky(torch.cuda.OutOfMemoryError("CUDA error: out of memory"))


def test_each_kind_of_failure_has_a_name() -> None:
    """For the daemon, which knows no torch: what is out of memory is not sticky, on either side of the bus."""
    assert classify(RuntimeError(STICKY[0])) == "sticky"
    assert classify(torch.cuda.OutOfMemoryError("CUDA out of memory")) == classify(MemoryError()) == "memory"
    for text in PASSING:
        assert classify(RuntimeError(text)) == ("memory" if "out of memory" in text else "other"), text


def test_without_it_the_traceback_keeps_the_tensor() -> None:
    """So the tests below can fail."""
    seen: list[weakref.ref[torch.Tensor]] = []
    try:
        _fail(ValueError("x"), seen)
    except ValueError as error:
        kept = error
    assert seen[0]() is not None
    let_go(kept)
    assert seen[0]() is None


def test_who_keeps_the_error_keeps_no_tensor() -> None:
    """Also those of the errors that it came from are gone, and the lines are still there for the log."""
    seen: list[weakref.ref[torch.Tensor]] = []
    with pytest.raises(RuntimeError, match="second") as caught, Contained():
        _fail_while_handling(seen)
    assert [one() for one in seen] == [None, None]
    assert "in _fail" in caught.value.__notes__[0]
    assert "raise error" in caught.value.__notes__[0]


def test_what_a_function_encloses_is_let_go_too() -> None:
    """A frame keeps its function, and a function the variables around it: so frames are dropped, not emptied."""
    seen: list[weakref.ref[torch.Tensor]] = []

    def outer() -> None:
        tensor = torch.ones(8)
        seen.append(weakref.ref(tensor))

        def inner() -> None:
            raise ValueError(tensor.shape)

        inner()

    with pytest.raises(ValueError) as caught, Contained():  # noqa: PT011 - the shape is not a text
        outer()
    assert caught.value is not None
    assert seen[0]() is None


def test_a_verdict_carries_no_lines() -> None:
    """A refusal is an answer, not a defect: where in the code it was found is of no use to anybody."""
    with pytest.raises(RolledBack) as caught, Contained():
        raise RolledBack("probe", "it is not sane")
    assert not hasattr(caught.value, "__notes__")


def test_an_error_in_a_circle_of_causes_is_let_go() -> None:
    """An error may indirectly be its own context; this must not hang."""
    one, other = ValueError("one"), ValueError("other")
    one.__context__, other.__context__ = other, one
    let_go(one)


def test_a_sticky_error_is_the_residents_end() -> None:
    """It comes out as ResidentLost with the device's own words as its cause."""
    seen: list[weakref.ref[torch.Tensor]] = []
    with pytest.raises(ResidentLost) as caught, Contained():
        _fail(RuntimeError(STICKY[0]), seen)
    assert str(caught.value.__cause__) == STICKY[0]
    assert seen[0]() is None


@pytest.mark.parametrize(
    "error", [RolledBack("x", "y"), MemoryError(), KeyboardInterrupt(), ResidentLost("CUDA error")]
)
def test_every_other_error_is_as_it_was(error: BaseException) -> None:
    """The same object comes out."""
    with pytest.raises(type(error)) as caught, Contained():
        raise error
    assert caught.value is error
