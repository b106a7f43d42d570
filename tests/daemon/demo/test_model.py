"""The demo's model: where it is unpacked, and what a missing or damaged one is told."""

from pathlib import Path

import pytest

from hotswapd.daemon.demo import model as demo_model


def test_the_cache_of_an_installed_package_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Only a checkout keeps its cache beside the code."""
    checkout = tmp_path / "checkout"
    (checkout / "daemon" / "demo").mkdir(parents=True)
    (checkout / "pyproject.toml").touch()
    monkeypatch.setattr(demo_model, "__file__", str(checkout / "daemon" / "demo" / "model.py"))
    assert demo_model.cache_directory({}) == checkout / ".demo"
    monkeypatch.setattr(demo_model, "__file__", str(tmp_path / "site-packages/hotswapd/daemon/demo/model.py"))
    assert demo_model.cache_directory({"XDG_CACHE_HOME": "/x"}) == Path("/x/hotswapd")
    assert demo_model.cache_directory({}) == Path.home() / ".cache/hotswapd"


def test_the_unpacked_model_is_whole_or_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Unpacking that fails leaves nothing that a second demo would take for the model."""

    def unpack(packed: Path, out: Path) -> None:
        out.mkdir(parents=True)
        raise OSError("no space left")

    monkeypatch.setattr(demo_model, "_packed_directory", lambda: tmp_path)
    monkeypatch.setattr(demo_model, "_unpack", unpack)
    with pytest.raises(OSError, match="no space"):
        demo_model.unpacked_model(tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.slow
def test_a_damaged_model_file_is_told_in_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What goes wrong in the process that unpacks is not lost."""
    monkeypatch.setattr(demo_model, "_packed_directory", lambda: tmp_path)
    (tmp_path / demo_model._GGUF).write_bytes(b"no gguf")
    with pytest.raises(demo_model.NoDemoModel, match=r"cannot be unpacked into .*cache: \w+"):
        demo_model.unpacked_model(tmp_path / "cache")
