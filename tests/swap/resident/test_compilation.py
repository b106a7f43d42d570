"""Counting compilations: in every thread, and no longer than the counter is open."""

import threading
from types import FunctionType

import torch

from hotswapd.swap.resident.compilation import CompileCounter


def _increment(x: torch.Tensor) -> torch.Tensor:
    return x + 1


def compile_something() -> None:
    """Compile a function of its own each time: what was compiled once lies with the code of the function."""
    fresh = FunctionType(_increment.__code__.replace(), globals())
    torch.compile(fresh, backend="eager")(torch.ones(3))


def test_compilations_of_other_threads_count() -> None:
    """And the callback is called on the thread that waits for them."""
    heard: list[str] = []
    counter = CompileCounter(lambda: heard.append(threading.current_thread().name))
    try:
        thread = threading.Thread(target=compile_something, name="elsewhere")
        thread.start()
        thread.join()
    finally:
        counter.close()
    assert counter.count == len(heard) == 1
    assert heard == ["elsewhere"]


def test_a_closed_counter_counts_nothing() -> None:
    """It leaves no callback behind."""
    counter = CompileCounter()
    counter.close()
    compile_something()
    assert counter.count == 0
