"""The examples of docs/embedding.md, as they stand there."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from kits.adapters import logits, oracle_model
from kits.rows import adapter, home, reference

PAGE = Path(__file__).resolve().parents[2] / "docs" / "embedding.md"


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the directory that the examples are run in, with the adapter that they name."""
    shutil.copytree(adapter(1), tmp_path / "adapter")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(number: int, **names: Any) -> dict[str, Any]:
    """Run one of the page's examples with these names, and return all that it has defined."""
    example: str = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)[number]
    exec(example.replace("path/or/name", str(home() / "base")), names)
    return names


@pytest.mark.usefixtures("room")
def test_the_resident_answers_with_the_adapter() -> None:
    """About ten lines give another server the adapter's own logits."""
    names = run(0, ids=torch.tensor([[5, 6, 7]]))
    expected = logits(oracle_model(home() / "base", adapter(1)), [5, 6, 7])
    assert torch.allclose(names["logits"][0], expected, atol=1e-4)
    names["resident"].close()


def test_a_refusal_is_explained(room: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is printed, and every berth is free."""
    (room / "adapter" / "adapter_config.json").write_text("{}")
    names = run(0, ids=torch.tensor([[5, 6, 7]]))
    assert "peft_type" in capsys.readouterr().out
    assert names["resident"].berths.images() == []
    names["resident"].close()


@pytest.mark.usefixtures("room")
def test_the_engine_answers_with_the_adapter() -> None:
    """A whole answer is that of a fresh PEFT load, and names its generation."""
    names = run(1, tokens=[5, 6, 7])
    answer = names["answer"]
    assert (answer.token_ids, answer.generation) == (reference(1, (5, 6, 7), 8), 1)
    assert names["image"].holders == 0  # the loop has ended
    names["resident"].close()
