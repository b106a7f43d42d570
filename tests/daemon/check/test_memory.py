"""What a check learnt makes the next one fast: nothing is imported that takes long, and nothing stale is believed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from kits.adapters import edit_config
from kits.bases import adapter_for, base_without_weights

from hotswapd.daemon.check import asking, memory
from hotswapd.daemon.cli import main
from hotswapd.daemon.config.tables import Model
from hotswapd.swap.resident.outline import outline
from hotswapd.swap.resident.spec import ResidentSpec

MODULE = "model.layers.0.self_attn.q_proj"
HEAVY = ("torch", "transformers", "peft")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "hotswapd" / "check"


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return base_without_weights(tmp_path / "base", "llama", num_hidden_layers=1)


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    return adapter_for(tmp_path / "adapter", [MODULE], base_model_name_or_path=None)


def check(adapter: Path, *more: str) -> tuple[int, str]:
    """Check in a new process; return its status and what it said, and fail if it imported anything heavy."""
    line = ["check", str(adapter), "--json", *more]
    code = f"import sys; from hotswapd.daemon.cli import main; status = main({line!r}); "
    code += f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr); sys.exit(status)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ, timeout=60, check=False)
    assert done.stderr.splitlines()[-1] == "[]", done.stderr
    return done.returncode, done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("with_base", [True, False])
def test_the_second_check_imports_nothing_heavy(
    capsys: pytest.CaptureFixture[str], adapter: Path, base: Path, with_base: bool
) -> None:
    more = ["--base", str(base)] if with_base else []
    assert main(["check", str(adapter), "--json", *more]) == 0
    assert check(adapter, *more) == (0, capsys.readouterr().out)


@pytest.mark.slow
def test_another_adapter_of_the_job_is_known_too(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, adapter: Path, base: Path
) -> None:
    """With other values, another rank and another factor; and one that is wrong is refused for the same reasons."""
    assert main(["check", str(adapter), "--json", "--base", str(base)]) == 0
    capsys.readouterr()
    other = adapter_for(tmp_path / "other", [MODULE], lora_alpha=3, use_rslora=True, base_model_name_or_path=None)
    assert check(other, "--base", str(base))[0] == 0
    edit_config(r=2)(other)
    status, said = check(other, "--base", str(base))
    assert (status, {misfit["code"] for misfit in json.loads(said)["misfits"]}) == (3, {"rank_mismatch"})


@pytest.mark.parametrize("changed", ["config", "setting", "version", "code"])
def test_whatever_may_change_the_answer_is_asked_again(
    monkeypatch: pytest.MonkeyPatch, adapter: Path, base: Path, changed: str
) -> None:
    assert main(["check", str(adapter), "--base", str(base)]) == 0
    asked: list[object] = []

    def note(spec: ResidentSpec) -> object:
        asked.append(spec)
        return outline(spec)

    monkeypatch.setattr(asking, "outline", note)
    assert main(["check", str(adapter), "--base", str(base)]) == 0
    assert not asked
    if changed == "config":
        (base / "config.json").write_text((base / "config.json").read_text() + "\n")
    elif changed == "setting":
        monkeypatch.setenv("HOTSWAPD_MODEL__TARGET_MODULES", '["q_proj"]')
    elif changed == "version":
        monkeypatch.setattr(memory, "version", lambda name: f"another {name}")
    else:
        monkeypatch.setattr(memory, "_own_code", lambda: iter([b"another"]))
    assert main(["check", str(adapter), "--base", str(base)]) == 0
    assert asked


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"slots": 3}', b'{"slots": [], "answers": {}}', b"\xff"])
def test_a_damaged_memory_is_asked_again(cache: Path, adapter: Path, base: Path, content: bytes) -> None:
    assert main(["check", str(adapter), "--base", str(base)]) == 0
    (file,) = cache.iterdir()
    whole = file.read_bytes()
    file.write_bytes(content)
    assert main(["check", str(adapter), "--base", str(base)]) == 0
    assert file.read_bytes() == whole


def test_a_base_that_may_change_unseen_is_never_remembered(cache: Path, base: Path) -> None:
    """One on the Hub, or one with code of its own."""
    for model in (Model(base="org/model"), Model(base=str(base), trust_remote_code=True)):
        memory.remember(model, {"slots": []})
        assert memory.recall(model) is None
    assert not cache.exists()


def test_a_cache_that_cannot_be_written_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, adapter: Path, base: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert main(["check", str(adapter), "--base", str(base)]) == 0
