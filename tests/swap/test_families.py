"""Families through the whole engine: the script behind docs/models.md, on a few of them."""

from pathlib import Path

import pytest
from runs.models import CLOSE, try_family


@pytest.mark.parametrize("family", ["gemma3", "llava", "qwen2_5_vl", "glm4_moe", "falcon", "mamba"])
def test_it_answers_as_peft_does(tmp_path: Path, family: str) -> None:
    """Three that also see, one whose modules cannot all have slots, and two that are served one request at a time."""
    line = try_family(family, tmp_path)
    assert (line.outcome, line.why) == ("served", "")
    assert line.difference < CLOSE
    assert bool(line.plain) == (family in {"falcon", "mamba"})


def test_what_cannot_be_served_is_said(tmp_path: Path) -> None:
    line = try_family("bert", tmp_path)
    assert line.outcome == "refused"
    assert "is an encoder" in line.why
