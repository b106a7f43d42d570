"""Which directories of keys are adapters."""

import pytest

from hotswapd.loaders.files import CONFIG, MANIFEST, PICKLE, WEIGHTS
from hotswapd.loaders.s3 import listing
from hotswapd.loaders.s3.listing import Keyed, TooMany, adapters
from hotswapd.loaders.s3.objects import Object


def one(modified: float = 1.0) -> Object:
    return Object("etag", 1, modified)


def found(*keys: str, marker: str = "") -> list[str]:
    return [keyed.below for keyed in adapters([(key, one()) for key in keys], "runs/", marker)]


def test_a_config_or_weights_make_a_directory_an_adapter() -> None:
    keys = [f"runs/a/{CONFIG}", f"runs/b/{WEIGHTS}", f"runs/c/{MANIFEST}", f"runs/d/{PICKLE}", f"runs/{CONFIG}"]
    assert found(*keys) == ["a", "b", ""]


@pytest.mark.parametrize("below", ["a/b/c/d/e"])
def test_deep_directories_are_skipped(below: str) -> None:
    assert found(f"runs/{below}/{CONFIG}") == []


def test_four_levels_are_deep_enough() -> None:
    assert found(f"runs/a/b/c/d/{CONFIG}") == ["a/b/c/d"]


def test_odd_directories_are_kept_apart_and_marked() -> None:
    keyed = adapters([(f"runs/{CONFIG}", one()), (f"runs//{CONFIG}", one()), (f"runs/a/../{CONFIG}", one())], "runs/")
    assert [(directory.below, directory.odd) for directory in keyed] == [("", False), ("/", True), ("a/..", True)]


def test_the_stamp_is_the_later_file() -> None:
    (keyed,) = adapters([(f"runs/a/{CONFIG}", one(3.0)), (f"runs/a/{WEIGHTS}", one(2.0))], "runs/")
    assert keyed.stamp == 3.0


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "MAX_ADAPTERS", 2)
    assert len(found(*(f"runs/{number}/{CONFIG}" for number in range(2)))) == 2
    with pytest.raises(TooMany):
        found(*(f"runs/{number}/{CONFIG}" for number in range(3)))


@pytest.mark.parametrize("below", [".hidden", "run.tmp", "a/run~", "a.tmp/run"])
def test_what_lies_under_an_ignored_name_is_marked(below: str) -> None:
    """The rule is that of the first such name on the way."""
    keyed = Keyed(below)
    assert "it is ignored, since the name" in keyed.ignored


@pytest.mark.parametrize("below", ["", "run", "a/run.20261128", "a/./b", "a/../b", "a//b"])
def test_other_names_are_not_ignored(below: str) -> None:
    """Not the odd ones either, which are refused for what they are."""
    assert Keyed(below).ignored == ""
