"""Reading a copy in the store: what the machine does is not a verdict on the candidate."""

from pathlib import Path

import pytest

from hotswapd.daemon.pipeline.reading import reading
from hotswapd.loaders.errors import Unavailable


def test_a_disk_error_names_the_copy_and_what_to_do() -> None:
    with pytest.raises(Unavailable) as caught, reading(Path("/store/ab")):
        raise OSError(5, "Input/output error")
    assert caught.value.code == "store_unreadable"
    assert caught.value.sentence.startswith("its copy in the store, /store/ab, cannot be read: Input/output error; fix")


def test_too_little_memory_is_tried_again() -> None:
    with pytest.raises(Unavailable) as caught, reading(Path("/store/ab")):
        raise MemoryError
    assert caught.value.code == "out_of_memory"
    assert caught.value.sentence.endswith("it is tried again")


def test_every_other_error_passes() -> None:
    with pytest.raises(ZeroDivisionError), reading(Path("/store/ab")):
        raise ZeroDivisionError
