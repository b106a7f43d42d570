"""Directories of which no adapter is expected yet are recognised by their names."""

import pytest

from hotswapd.loaders.files import is_temporary


@pytest.mark.parametrize(
    "name",
    [
        ".hidden",
        "run-7.tmp",
        "run-7.tmp.3",
        "run.part",
        "run.part2",
        "run.incomplete",
        "run~",
        "run.0a1b2c3d",
        "lost+found",
    ],
)
def test_temporary_names(name: str) -> None:
    assert is_temporary(name)


@pytest.mark.parametrize(
    "name", ["run-7", "tmp", "party", "v1.0", "run.0a1b2c3", "run.0a1b2c3de", "run.0A1B2C3D", "a\n.b"]
)
def test_plain_names(name: str) -> None:
    assert not is_temporary(name)


def test_a_line_break_hides_nothing() -> None:
    assert is_temporary("run\n.tmp")
