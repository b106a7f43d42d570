"""The example of docs/embedding.md, as it stands there."""

import re
import shutil
from pathlib import Path

import torch
from kits.adapters import logits, oracle_model
from kits.lanes import adapter, home

PAGE = Path(__file__).resolve().parents[2] / "docs" / "embedding.md"


def example() -> str:
    return re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)[0]


def test_the_example_in_the_docs_runs_and_answers_with_the_adapter(tmp_path, monkeypatch):
    """About ten lines give another server the adapter's own logits."""
    shutil.copytree(adapter(1), tmp_path / "adapter")
    monkeypatch.chdir(tmp_path)
    names = {"ids": torch.tensor([[5, 6, 7]])}
    exec(example().replace("path/or/name", str(home() / "base")), names)
    expected = logits(oracle_model(home() / "base", adapter(1)), [5, 6, 7])
    assert torch.allclose(names["logits"][0], expected, atol=1e-4)
    names["resident"].close()


def test_the_example_says_why_an_adapter_is_refused(tmp_path, monkeypatch, capsys):
    """A refusal is printed and the base answers on."""
    shutil.copytree(adapter(1), tmp_path / "adapter")
    (tmp_path / "adapter" / "adapter_config.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    names = {"ids": torch.tensor([[5, 6, 7]])}
    exec(example().replace("path/or/name", str(home() / "base")), names)
    assert "peft_type" in capsys.readouterr().out
    assert names["resident"].live.generation == 0
    names["resident"].close()
