"""Bases that the tests of admission share."""

import gc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kits.contracts import Base, serve
from kits.folders import CONFIG, WEIGHTS


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Base:
    return serve("llama", tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="session")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> Base:
    return serve("gpt2", tmp_path_factory.mktemp("gpt2"))


@pytest.fixture(scope="session")
def good(llama: Base) -> Path:
    """Save an adapter that is accepted; tests copy it before they change it."""
    return llama.make("good")


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Let nothing but counted references free a tensor."""
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def spoil(good: Path, tmp_path: Path) -> Callable[..., Path]:
    """Copy the good adapter and apply changes to the copy."""

    def make(*changes: Callable[[Path], None]) -> Path:
        copy = tmp_path / f"copy-{len(list(tmp_path.iterdir()))}"
        copy.mkdir()
        for name in (CONFIG, WEIGHTS):
            (copy / name).write_bytes((good / name).read_bytes())
        for change in changes:
            change(copy)
        return copy

    return make
