"""A command line as a commented file: the same settings, in the words of the shipped example."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotswapd.daemon.config.line import Line
from hotswapd.daemon.config.settings import load_settings
from hotswapd.daemon.config.written import toml, written

ENVIRON = {"HOME": "/home/ann"}
EXAMPLE = Path(__file__).parents[3] / "systemd" / "hotswapd.toml.example"


@pytest.mark.parametrize(
    ("sources", "sets"),
    [
        ([], []),
        (["/a", "s3://bucket/runs/", "hf://org/a@v1/sub", "/b c"], ["source[0].settle=0.5", "source[1].poll=3"]),
        (["/a"], ["serve.berths=3", "serve.port=0", "model.compile=false", 'model.target_modules=["q", "v"]']),
        (["/a"], ["verify.watch.seconds=1", "verify.dataset.file=/d", 'verify.command.argv=["/j", "-x"]']),
        (["/a"], ['verify.probe=[{prompt = "a \\" b", contains = "é"}]', 'admission.base_models=["*"]']),
        (["/a"], ["rollout.mode=canary", "rollout.steps=[5, 100]", "log.level=debug", "state.keep=2"]),
    ],
)
def test_the_file_means_what_the_line_means(tmp_path: Path, sources: list[str], sets: list[str]) -> None:
    line = Line("org/model", sources, {}, sets)
    file = tmp_path / "c.toml"
    file.write_text(written(line.tables(ENVIRON, 1000)))
    assert load_settings(file, {}) == line.settings(ENVIRON, 1000)


def test_it_is_the_example_with_a_few_lines_changed() -> None:
    """Every comment stays, where its key is."""
    text = written(Line("org/x", ["/a"], {}, ["serve.berths=3"]).tables(ENVIRON, 1000))
    lines, example = text.splitlines(), EXAMPLE.read_text().splitlines()
    assert 'base = "org/x"                 # a name on the Hub or the path of a directory' in lines
    assert "berths = 3                     # adapters on the device at once, each with requests of its own" in lines
    assert 'path = "/a"' in lines
    assert "# settle = 2.0                 # seconds for which a directory must be seen unchanged" in lines
    changed = [line for line in lines if line not in example]
    assert [line.partition(" = ")[0] for line in changed] == ["base", "path", "berths", "dir", "socket"]


def test_other_kinds_of_sources_are_left_out() -> None:
    """Their keys are comments of the example only."""
    text = written(Line("m", ["s3://bucket/runs/"]).tables(ENVIRON, 1000))
    assert (text.count("[[source]]"), 'kind = "local"' in text, 'kind = "hub"' in text) == (1, False, False)
    assert '# region = ""' in text


def test_a_key_that_the_example_does_not_know_is_written_too(tmp_path: Path) -> None:
    """At its table, or in a table of its own at the end: none is lost."""
    text = written({"model": {"base": "m", "novel": 1}, "engine": {"kind": "x", "urls": ["a"]}})
    lines = text.splitlines()
    assert lines[lines.index("[model]") + 1] == "novel = 1"
    assert lines[-3:] == ["[engine]", 'kind = "x"', 'urls = ["a"]']


SCALARS = st.booleans() | st.integers(-(2**62), 2**62) | st.floats(allow_nan=False) | st.text()


@given(st.recursive(SCALARS, lambda one: st.lists(one) | st.dictionaries(st.text(), one), max_leaves=8))
def test_any_value_can_be_read_back(value: Any) -> None:
    import tomllib

    assert tomllib.loads(f"x = {toml(value)}") == {"x": value}
