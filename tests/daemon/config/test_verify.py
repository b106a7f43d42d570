"""What [verify] may hold, with the key in every error, and how it is read into gates."""

import json
import re
import sqlite3
from pathlib import Path

import pytest
from kits.lanes import bench

from hotswapd.daemon.config.settings import ConfigError, load_settings
from hotswapd.daemon.config.verify import Dataset, Probe, Verify
from hotswapd.daemon.gates.from_config import make_spec, require_readable
from hotswapd.daemon.ledger.ledger import Ledger
from hotswapd.daemon.ledger.schema import _SCHEMA, VERSION

MODEL = '[model]\nbase = "b"\n'
EXAMPLE = Path(__file__).parents[3] / "systemd" / "hotswapd.toml.example"


def keys(tmp_path: Path, text: str) -> dict[str, str]:
    file = tmp_path / "h.toml"
    file.write_text(MODEL + text)
    with pytest.raises(ConfigError) as caught:
        load_settings(file, {})
    return {problem.key: problem.sentence for problem in caught.value.problems}


PROBE = '[[verify.probe]]\nprompt = "a"\n'


@pytest.mark.parametrize(
    ("text", "key", "word"),
    [
        ("[verify]\nmax_same_token = 2.0\n", "verify.max_same_token", "less than or equal to 1"),
        ("[verify]\nmax_shar = 0.1\n", "verify.max_shar", "max_share"),
        ('[verify]\nno_change = "maybe"\n', "verify.no_change", "'warn'"),
        (PROBE + 'expect = "("\n', "verify.probe[0].expect", "regular expression"),
        (PROBE, "verify.probe[0]", "one of expect"),
        (PROBE + "max_perplexity = 3.0\n", "verify.probe[0]", "answer"),
        (PROBE + 'contains = "x"\nanswer = "y"\n', "verify.probe[0]", "answer"),
        ('[[verify.probe]]\ncontains = "x"\n', "verify.probe[0]", "either prompt or messages"),
        (PROBE + 'contians = "x"\n', "verify.probe[0].contians", "contains"),
        ('[verify.dataset]\nfile = "here.jsonl"\n', "verify.dataset.file", "absolute"),
        ("[verify.command]\nargv = []\n", "verify.command.argv", "at least 1"),
        ("[verify.watch]\nmax_errors = -1\n", "verify.watch.max_errors", "greater than or equal to 0"),
        ('[verify.command]\nargv = ["/bin/true"]\n[serve]\nlanes = 1\n', "serve.lanes", "at least 2"),
    ],
)
def test_every_error_names_its_key(tmp_path: Path, text: str, key: str, word: str) -> None:
    """What is wrong in [verify] or in a table of it is named by its key, with what would be right."""
    found = keys(tmp_path, text)
    assert key in found
    assert word in found[key]


def test_the_examples_tables_are_valid(tmp_path: Path) -> None:
    """The golden prompts, dataset and command that the example shows can be used as they stand."""
    text = re.sub(r"(?m)^#   (?=\[|\w+ = )", "", EXAMPLE.read_text())
    file = tmp_path / "h.toml"
    file.write_text(text)
    verify = load_settings(file, {}).verify
    assert len(verify.probe) == 2
    assert verify.dataset is not None
    assert verify.command is not None
    assert (verify.dataset.max_tokens, verify.command.timeout) == (20_000, 300.0)


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


def test_files_and_programs_that_are_not_there_are_named(tmp_path: Path) -> None:
    """A dataset that is away and a judge that is no program are errors of the configuration."""
    for verify, key in (
        ({"dataset": {"file": tmp_path / "none"}}, "verify.dataset.file"),
        ({"command": {"argv": ["/no/such/program"]}}, "verify.command.argv"),
    ):
        with pytest.raises(ConfigError) as caught:
            require_readable(Verify.model_validate(verify))
        assert caught.value.key == key


def test_what_is_read_is_cut_to_its_budget_and_scores_the_answers_alone(tmp_path: Path) -> None:
    """A pair counts from its answer on, the budget ends in the middle of a line, and limits come from the table."""
    file = tmp_path / "eval.jsonl"
    lines = [{"prompt": "abc", "answer": "de"}, {"text": "0123456789"}, {"text": "0123456789"}, {"text": "x" * 50}]
    file.write_text("\n".join(map(json.dumps, lines)))
    probe = Probe(messages=({"role": "user", "content": "hi"},), contains="x", max_tokens=4)
    with bench() as made:
        verify = Verify(dataset=Dataset(file=file, max_tokens=20), probe=(probe,), max_share=0.5)
        spec = make_spec(verify, made.engine)
        assert spec.dataset is not None
        assert [(len(one.tokens), one.given) for one in spec.dataset.examples] == [(5, 3), (10, 1), (5, 1)]
        assert (spec.limits.max_share, spec.golden[0].key, spec.golden[0].contains) == (0.5, "verify.probe[0]", "x")
        assert made.resident.tokenizer.decode(spec.golden[0].prompt) == "user: hi\nassistant: "
        with pytest.raises(ConfigError, match="together at most"):
            make_spec(Verify(probe=(Probe(prompt="a" * 500, contains="x"),)), made.engine)


def test_a_ledger_of_the_version_before_is_brought_up_and_keeps_its_rows(tmp_path: Path) -> None:
    """Its rows have no verdicts, and new ones can be written; one of a later version is not touched."""
    path = tmp_path / "ledger.sqlite"
    old = _SCHEMA.replace(",\n    verify TEXT NOT NULL DEFAULT '[]'", "")
    assert old != _SCHEMA
    database = sqlite3.connect(path)
    database.executescript(f"{old} PRAGMA user_version=1;")
    database.execute(
        "INSERT INTO swaps (swap_id, seq, source, uri, revision, stamp, state, sighted)"
        " VALUES ('a', 1, 's', 'file:///a', 'r', 0.0, 'REJECTED', 0.0)"
    )
    database.commit()
    database.close()
    ledger = Ledger(path)
    row = ledger.rows.get("a")
    assert (row.verify, ledger.was_lost) == ((), False)
    ledger.amend(row, verify=({"gate": "probe", "numbers": {"loss": 1.5}},))
    ledger.close()
    again = Ledger(path)
    assert again.rows.get("a").history()["verify"] == [{"gate": "probe", "numbers": {"loss": 1.5}}]
    again.close()
    assert sqlite3.connect(path).execute("PRAGMA user_version").fetchone() == (VERSION,)
