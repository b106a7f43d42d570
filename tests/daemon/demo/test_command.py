"""The demo: its parts, and the whole story with a tiny model and the real process."""

import io
import os
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
from kits.adapters import make_adapter
from kits.demo import two_matrices
from kits.models import tiny
from rich.console import Console

from hotswapd.daemon.demo import command as demo
from hotswapd.daemon.demo import model as demo_model
from hotswapd.daemon.demo.asking import Answer, Asker, Visitors
from hotswapd.daemon.demo.board import Claim, PlainBoard
from hotswapd.daemon.demo.process import DemoDaemon, DemoFailed
from hotswapd.daemon.demo.spoil import DAMAGES, WEIGHTS
from hotswapd.daemon.demo.story import Part, Story
from hotswapd.swap.adapter.manifest import read_manifest


def test_a_wrong_answer_under_traffic_is_found() -> None:
    """An answer that is not its generation's, or a generation's that nobody asked alone, is not right."""
    visitors = Visitors(Asker(1, "?", 1))
    visitors.answers = [Answer(1, "one"), Answer(2, "one"), Answer(3, "three")]
    assert visitors.wrong({1: "one", 2: "two"}) == [Answer(2, "one"), Answer(3, "three")]


def test_a_client_that_nobody_answers_notes_it(tmp_path: Path) -> None:
    """A failed request is a failure of the demo, not of the thread that asked."""
    with Visitors(Asker(1, "?", 1), count=1) as visitors:
        pass
    assert visitors.failures
    assert not visitors.answers


def test_the_cache_of_an_installed_package_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Only a checkout keeps its cache beside the code."""
    assert demo_model.cache_directory({}).name == ".demo"
    monkeypatch.setattr(demo_model, "__file__", str(tmp_path / "site-packages/hotswapd/daemon/demo/model.py"))
    assert demo_model.cache_directory({"XDG_CACHE_HOME": "/x"}) == Path("/x/hotswapd")
    assert demo_model.cache_directory({}) == Path.home() / ".cache/hotswapd"


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


def test_the_unpacked_model_is_whole_or_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Unpacking that fails leaves nothing that a second demo would take for the model."""

    def unpack(packed: Path, out: Path) -> None:
        out.mkdir(parents=True)
        raise OSError("no space left")

    monkeypatch.setattr(demo_model, "_packed_directory", lambda: tmp_path)
    monkeypatch.setattr(demo_model, "_unpack", unpack)
    with pytest.raises(OSError, match="no space"):
        demo_model.unpacked_model(tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


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
def test_a_damaged_model_file_is_told_in_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What goes wrong in the process that unpacks is not lost."""
    monkeypatch.setattr(demo_model, "_packed_directory", lambda: tmp_path)
    (tmp_path / demo_model._GGUF).write_bytes(b"no gguf")
    with pytest.raises(demo_model.NoDemoModel, match=r"cannot be unpacked into .*cache: \w+"):
        demo_model.unpacked_model(tmp_path / "cache")


@pytest.mark.slow
def test_a_daemon_that_cannot_start_is_named_with_its_log(tmp_path: Path) -> None:
    """The demo does not wait for a process that has ended."""
    daemon = DemoDaemon(tmp_path / "room", tmp_path / "cache", tmp_path / "no-model", (), "false")
    daemon.prepare()
    with pytest.raises(DemoFailed, match=r"status 78; its log is .*daemon\.log"):
        daemon.start(lambda sentence: None)


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


def test_a_setting_of_another_daemon_is_not_the_demos(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """HOTSWAPD_ variables of the shell would override the demo's configuration."""
    seen: dict[str, Any] = {}

    class Stopped(Exception):
        pass

    def popen(command: list[str], **options: Any) -> None:
        seen.update(options["env"])
        raise Stopped

    monkeypatch.setenv("HOTSWAPD_MODEL__BASE", "another")
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    monkeypatch.setattr("hotswapd.daemon.demo.process.subprocess.Popen", popen)
    daemon = DemoDaemon(tmp_path / "room", tmp_path / "cache", tmp_path, ())
    daemon.prepare()
    with pytest.raises(Stopped):
        daemon.start(lambda sentence: None)
    assert "HOTSWAPD_MODEL__BASE" not in seen
    assert seen["OMP_WAIT_POLICY"] == "active", "the user's own choice stays"
    assert seen["TORCHINDUCTOR_CACHE_DIR"] == str(tmp_path / "cache" / "inductor")


class CarelessDaemon:
    """A daemon that takes whatever comes; the demo must notice."""

    def __init__(self) -> None:
        self.taken = 0

    def drop_and_wait(self, adapter: Path, reason: str = "") -> tuple[dict[str, Any], float]:
        self.taken += 1
        return self.row(""), 0.1

    def row(self, swap_id: str) -> dict[str, Any]:
        known = {"swap_id": swap_id, "state": "LIVE", "reason": None, "detail": None}
        return known | {"generation": self.taken, "seconds": {"pause": 0.001}}

    def ask(self) -> Answer:
        return Answer(self.taken, f"as {self.taken} says")


def careless_story(tmp_path: Path, shows: bool) -> Story:
    daemon: Any = CarelessDaemon()
    good = two_matrices(tmp_path / f"good-{shows}")
    board = PlainBoard(Console(file=io.StringIO()))
    return Story(daemon, board, daemon, (Part(good, "are right", lambda text: shows),), tmp_path / "spoilt")


def test_an_adapter_without_effect_breaks_a_promise(tmp_path: Path) -> None:
    """To be reported live is not enough."""
    for shows in (True, False):
        story = careless_story(tmp_path, shows)
        story._bring(story.parts[0])
        assert [claim.held for claim in story.claims] == [shows]


def test_a_bad_adapter_that_is_taken_breaks_a_promise(tmp_path: Path) -> None:
    """Each damage is watched for."""
    story = careless_story(tmp_path, True)
    for damage in DAMAGES:
        story._bring_bad(damage)
    assert [claim.held for claim in story.claims] == [False] * len(DAMAGES)


def test_one_broken_promise_is_the_exit_status(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 0 only when all held; otherwise the log is kept, and named."""
    story = careless_story(tmp_path, True)
    story.daemon = DemoDaemon(_made(tmp_path / "room"), tmp_path, tmp_path, ())
    story.claims = [Claim("it is live", True), Claim("nothing else is", False)]
    assert demo._verdict(story, tmp_path / "room") == 1
    assert "1 of 2 promises did not hold" in capsys.readouterr().err
    assert (tmp_path / "room").exists()
    story.claims.pop()
    assert demo._verdict(story, tmp_path / "room") == 0
    assert not (tmp_path / "room").exists()
