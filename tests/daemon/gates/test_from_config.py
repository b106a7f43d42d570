"""How [verify] is read into gates, and what it points to."""

import json
from pathlib import Path

import pytest
from kits.rows import bench

from hotswapd.daemon.config.settings import ConfigError
from hotswapd.daemon.config.verify import Dataset, Probe, ProbeMessage, Verify
from hotswapd.daemon.gates.from_config import make_spec, require_readable


@pytest.mark.parametrize(
    ("lines", "word"),
    [
        ("", "no line"),
        ("{", "line 1 is not JSON"),
        ('{"text": "a"}\n\n{"prompt": "b"}', "line 3 must be"),
        ('{"text": ""}', "line 1 must be"),
        ('{"text": "a", "more": 1}', "line 1 must be"),
    ],
)
def test_a_dataset_that_cannot_be_read_names_the_line(tmp_path: Path, lines: str, word: str) -> None:
    """It is found before the model is loaded."""
    file = tmp_path / "eval.jsonl"
    file.write_text(lines)
    with pytest.raises(ConfigError, match=word) as caught:
        require_readable(Verify(dataset=Dataset(file=file)))
    assert caught.value.key == "verify.dataset.file"


def test_missing_files_and_programs_are_named(tmp_path: Path) -> None:
    """A missing dataset and a judge that is not a program are errors of the configuration."""
    for verify, key in (
        ({"dataset": {"file": tmp_path / "none"}}, "verify.dataset.file"),
        ({"command": {"argv": ["/no/such/program"]}}, "verify.command.argv"),
    ):
        with pytest.raises(ConfigError) as caught:
            require_readable(Verify.model_validate(verify))
        assert caught.value.key == key


def test_a_dataset_is_cut_to_its_budget(tmp_path: Path) -> None:
    """A pair counts from its answer on, the budget ends in the middle of a line, and limits come from the table."""
    file = tmp_path / "eval.jsonl"
    lines = [{"prompt": "abc", "answer": "de"}, {"text": "0123456789"}, {"text": "0123456789"}, {"text": "x" * 50}]
    file.write_text("\n".join(map(json.dumps, lines)))
    probe = Probe(messages=(ProbeMessage(role="user", content="hi"),), contains="x", max_tokens=4)
    with bench() as made:
        verify = Verify(dataset=Dataset(file=file, max_tokens=20), probe=(probe,), max_share=0.5)
        spec = make_spec(verify, made.engine)
        assert spec.dataset is not None
        assert [(len(one.tokens), one.given) for one in spec.dataset.examples] == [(5, 3), (10, 1), (5, 1)]
        assert (spec.limits.max_share, spec.golden[0].key, spec.golden[0].contains) == (0.5, "verify.probe[0]", "x")
        assert made.resident.tokenizer.decode(spec.golden[0].prompt) == "user: hi\nassistant: "
        with pytest.raises(ConfigError, match="together at most"):
            make_spec(Verify(probe=(Probe(prompt="a" * 500, contains="x"),)), made.engine)
