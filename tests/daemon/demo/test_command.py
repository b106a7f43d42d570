"""The demo: its parts, and the whole story with a tiny model and the real process."""

import io
import os
from argparse import Namespace
from pathlib import Path

import pytest
from kits.adapters import make_adapter
from kits.models import tiny
from rich.console import Console

from hotswapd.daemon.demo import command as demo
from hotswapd.daemon.demo import model as demo_model
from hotswapd.daemon.demo.asking import Asker
from hotswapd.daemon.demo.board import Claim, PlainBoard
from hotswapd.daemon.demo.process import DemoDaemon
from hotswapd.daemon.demo.spoil import DAMAGES, WEIGHTS
from hotswapd.daemon.demo.story import Part, Story
from hotswapd.swap.adapter.manifest import read_manifest


def test_a_missing_model_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without the model's package the demo ends with status 78, one sentence, and nothing left behind."""
    monkeypatch.setattr(demo, "cache_directory", lambda environ: tmp_path / "cache")
    monkeypatch.setattr(demo_model, "_PACKAGE", "no_such_package")
    monkeypatch.setattr("tempfile.mkdtemp", lambda prefix: str(_made(tmp_path / prefix)))
    assert demo.demo(Namespace(compile="auto")) == 78
    assert "pip install" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def _made(directory: Path) -> Path:
    directory.mkdir()
    return directory


def test_the_shipped_adapters_are_small_and_name_their_base() -> None:
    """Each of the three is a complete adapter under 1 MB, and made for the demo's model by its public name."""
    parts = demo.demo_parts()
    assert [part.name for part in parts] == ["pirate", "german", "json"]
    for part in parts:
        assert read_manifest(part.adapter).config["base_model_name_or_path"] == demo_model.BASE_NAME
        assert (part.adapter / WEIGHTS).stat().st_size < 1_000_000


def test_manners_are_told_apart() -> None:
    """No answer passes for another manner."""
    answers = ("Arr, it be Paris!", "Die Hauptstadt von Frankreich ist Paris.", '{"answer": "Paris"}')
    shown = [[part.shows(answer) for answer in answers] for part in demo.demo_parts()]
    assert shown == [[True, False, False], [False, True, False], [False, False, True]]


@pytest.mark.slow
def test_the_whole_story_holds_with_a_tiny_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the real process: adapters go live, bad ones do not, a rollback and kill -9 give the answers back."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    base = tiny("llama", tmp_path / "base")
    adapters = [
        make_adapter(base, tmp_path / f"manner-{seed}", seed=seed, targets=["q_proj", "v_proj"]) for seed in range(3)
    ]
    parts = tuple(Part(adapter, "are its own", lambda text: True) for adapter in adapters)
    out = io.StringIO()
    daemon = DemoDaemon(tmp_path / "room", tmp_path / "cache", base, (), "false")
    story = demo.run_story(daemon, PlainBoard(Console(file=out, width=200)), parts, "hi")
    assert [claim for claim in story.claims if not claim.held] == [], out.getvalue() + daemon.log.read_text()
    assert len(story.claims) == len(parts) + len(DAMAGES) + 4  # the rollback, the traffic, the restart, the stop
    assert not os.path.exists(tmp_path / "room" / "control.sock"), "no daemon is left running"


def test_one_broken_promise_is_the_exit_status(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 0 only when all held; otherwise the log is kept, and named."""
    daemon = DemoDaemon(_made(tmp_path / "room"), tmp_path, tmp_path, ())
    story = Story(daemon, PlainBoard(Console(file=io.StringIO())), Asker(1, "?", 1), (), tmp_path)
    story.claims = [Claim("it is live", True), Claim("nothing else is", False)]
    assert demo._verdict(story, tmp_path / "room") == 1
    assert "1 of 2 promises did not hold" in capsys.readouterr().err
    assert (tmp_path / "room").exists()
    story.claims.pop()
    assert demo._verdict(story, tmp_path / "room") == 0
    assert not (tmp_path / "room").exists()
