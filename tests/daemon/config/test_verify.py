"""What [verify] may hold, with the key in every error."""

import re
from pathlib import Path

import pytest

from hotswapd.daemon.config.settings import ConfigError, load_settings

MODEL = '[model]\nbase = "b"\n'
EXAMPLE = Path(__file__).parents[3] / "systemd" / "hotswapd.toml.example"


def problems(tmp_path: Path, text: str) -> dict[str, str]:
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
        ("[serve]\nberths = 1\n", "serve.berths", "at least 2"),
    ],
)
def test_every_error_names_its_key(tmp_path: Path, text: str, key: str, word: str) -> None:
    """What is wrong in [verify] or in a table of it is named by its key, with what would be right."""
    found = problems(tmp_path, text)
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
