"""Each channel has a pointer of its own, and all of them one series of numbers."""

import os
from pathlib import Path

import pytest

from hotswapd.loaders.store.store import Store


def _store(path: Path) -> Store:
    return Store(path, reserve_bytes=0)


def test_the_default_channels_pointer_is_where_it_always_was(tmp_path: Path) -> None:
    """A version without channels finds it, and nothing else that it would read."""
    store = _store(tmp_path)
    store.point({"generation": 1})
    store.point({"generation": 2}, channel="support")
    assert (tmp_path / "current.json").read_text() == '{"generation": 1}'
    assert os.listdir(tmp_path / "channels") == ["support.json"]
    assert (_store(tmp_path).pointer(), _store(tmp_path).pointer("support")) == ({"generation": 1}, {"generation": 2})
    assert (store.pointer("sales"), store.pointed()) == (None, ["support"])


@pytest.mark.parametrize("name", [".", "..", "-", "current", "highest", "x" * 64])
def test_any_name_of_a_channel_is_the_name_of_a_file(tmp_path: Path, name: str) -> None:
    store = _store(tmp_path / "store")
    store.point({"generation": 1}, channel=name)
    assert _store(tmp_path / "store").pointed() == [name]
    assert _store(tmp_path / "store").pointer(name) == {"generation": 1}
    assert os.listdir(tmp_path) == ["store"]


def test_numbers_are_one_series(tmp_path: Path) -> None:
    """Whichever channel had the highest; also after its pointer was removed, and in the next process."""
    store = _store(tmp_path)
    store.point({"generation": 1})
    store.point({"generation": 5}, channel="support")
    store.point({"generation": 3}, highest=7, channel="sales")
    assert (store.highest(), _store(tmp_path).highest()) == (7, 7)
    store.point({"generation": 3}, highest=3, channel="sales")
    assert store.highest() == 5
    store.unpoint("support")
    store.unpoint("support")
    assert (store.pointed(), store.highest(), _store(tmp_path).highest()) == (["sales"], 5, 5)


def test_a_damaged_pointer_costs_its_channel_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = _store(tmp_path)
    store.point({"generation": 1}, channel="support")
    store.point({"generation": 2}, channel="sales")
    (tmp_path / "channels" / "support.json").write_bytes(b"{")
    again = _store(tmp_path)
    assert (again.pointer("support"), again.pointer("sales")) == (None, {"generation": 2})
    assert "cannot be read and is ignored" in caplog.text
