"""``check`` with the bases and the directories that people have: one sentence, the right exit code, clean output."""

import json
from pathlib import Path

import pytest
from kits.bases import UNSERVED, adapter_for, base_with_code, base_without_weights
from kits.folders import CONFIG, WEIGHTS

from hotswapd.daemon.cli import main
from hotswapd.loaders.files import MANIFEST

MODULE = "model.layers.0.self_attn.q_proj"


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    return adapter_for(tmp_path / "adapter", [MODULE])


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return base_without_weights(tmp_path / "base", "llama", num_hidden_layers=1)


@pytest.mark.parametrize("family", UNSERVED)
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_base_that_is_never_served_is_exit_78(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, adapter: Path, family: str, form: list[str]
) -> None:
    fields, words = UNSERVED[family]
    base = base_without_weights(tmp_path / "odd", family, **fields)
    assert main(["check", str(adapter), "--base", str(base), *form]) == 78
    said = capsys.readouterr()
    assert said.out == ""
    assert words in said.err
    assert said.err.count("hotswapd: ") == said.err.count("model.base: ") == 1


@pytest.mark.parametrize("trusted", [False, True])
def test_standard_output_is_never_the_bases(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    adapter: Path,
    trusted: bool,
) -> None:
    """Nobody is asked, nothing runs without consent, and with it what the code prints is not among the JSON."""
    base = base_with_code(tmp_path / "odd")
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("it asks"))
    monkeypatch.setenv("HOTSWAPD_MODEL__TRUST_REMOTE_CODE", str(trusted).lower())
    assert main(["check", str(adapter), "--json", "--base", str(base)]) == 78
    said = capsys.readouterr()
    assert (said.out, (base / "ran").exists()) == ("", trusted)
    assert ("the code of the base ran" in said.err) == trusted


@pytest.mark.parametrize("names", [(CONFIG, WEIGHTS), (CONFIG,), (WEIGHTS,)])
def test_a_snapshot_of_links_is_called_that(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, adapter: Path, base: Path, names: tuple[str, ...]
) -> None:
    """As a source of the daemon calls it; the Hub's cache is made of links."""
    (tmp_path / "blobs").mkdir()
    for name in names:
        (adapter / name).rename(tmp_path / "blobs" / name)
        (adapter / name).symlink_to(f"../blobs/{name}")
    for more in ([], ["--base", str(base)]):
        assert main(["check", str(adapter), "--json", *more]) == 3
        misfits = json.loads(capsys.readouterr().out)["misfits"]
        assert [(misfit["code"], misfit["place"]) for misfit in misfits] == [("symlink", name) for name in names]
        assert all("cp -rL" in misfit["remedy"] for misfit in misfits)


def test_a_linked_manifest_is_refused_too(capsys: pytest.CaptureFixture[str], adapter: Path) -> None:
    (adapter / MANIFEST).symlink_to("nowhere")
    assert main(["check", str(adapter), "--json"]) == 3
    assert [misfit["place"] for misfit in json.loads(capsys.readouterr().out)["misfits"]] == [MANIFEST]


@pytest.mark.parametrize("name", [None, "", "org/base-instruct"])
def test_what_is_only_warned_of_is_taken_and_shown(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, base: Path, name: str | None
) -> None:
    adapter = adapter_for(tmp_path / "other", [MODULE], base_model_name_or_path=name)
    assert main(["check", str(adapter), "--json", "--base", str(base)]) == 0
    (warning,) = json.loads(capsys.readouterr().out)["warnings"]
    assert warning["code"] == ("base_related" if name else "base_unnamed")
    assert main(["check", str(adapter), "--base", str(base)]) == 0
    assert "warning: base_model_name_or_path: wanted" in " ".join(capsys.readouterr().out.split())
