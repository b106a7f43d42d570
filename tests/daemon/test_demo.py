"""The demo: its spoilt adapters, what it shows, and the whole story with a tiny model and the real process."""

import io
import os
import struct
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
import torch
from adapters import make_adapter
from models import tiny
from rich.console import Console
from safetensors.torch import load_file, save_file

from hotswapd.daemon import demo, demo_model
from hotswapd.daemon.demo_asking import Answer, Asker, Visitors
from hotswapd.daemon.demo_board import Claim, LiveBoard, PlainBoard, Scene, open_board
from hotswapd.daemon.demo_process import DemoDaemon, DemoFailed
from hotswapd.daemon.demo_spoil import CONFIG, DAMAGES, WEIGHTS, cut_short, put_in_a_nan, raise_rank, spoiled
from hotswapd.daemon.demo_story import Part
from hotswapd.swap.manifest import read_manifest

DROPPED = Scene("pirate dropped", 1, "Arr! [bold]Paris[/bold]", 0.75, 0.0004)
REFUSED = Scene("diverged dropped", 1, "Arr!", refused="REJECTED: non_finite: a weight is NaN")


@pytest.fixture(params=[torch.float32, torch.float16, torch.bfloat16], ids=str)
def good(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Make an adapter's two files, of rank 2 on one module."""
    adapter = tmp_path / "good"
    adapter.mkdir()
    names = "base_model.model.model.layers.0.self_attn.q_proj.lora_{}.weight"
    a = torch.arange(6.0).reshape(2, 3).to(request.param)
    b = torch.arange(8.0).reshape(4, 2).to(request.param) + 1
    save_file({names.format("A"): a, names.format("B"): b}, adapter / WEIGHTS)
    (adapter / CONFIG).write_text('{"peft_type": "LORA", "r": 2, "lora_alpha": 4}')
    return adapter


def matrices(adapter: Path) -> tuple[torch.Tensor, torch.Tensor]:
    tensors = load_file(adapter / WEIGHTS)
    (a,), (b,) = ([tensor for name, tensor in tensors.items() if side in name] for side in ("lora_A", "lora_B"))
    return a.float().clone(), b.float().clone()  # the file under the mapping is about to be written


def test_one_value_becomes_nan_and_the_file_stays_whole(good: Path) -> None:
    """A diverged adapter differs from the good one in one value only."""
    a, b = matrices(good)
    put_in_a_nan(good)
    spoilt_a, spoilt_b = matrices(good)
    assert torch.equal(spoilt_a, a)
    assert spoilt_b.isnan().sum() == 1
    assert torch.equal(spoilt_b.view(-1)[1:], b.view(-1)[1:])


def test_a_raised_rank_means_a_whole_adapter_of_that_rank(good: Path) -> None:
    """The matrices are repeated so that their product is the old one times the factor: nothing else is wrong in it."""
    a, b = matrices(good)
    raise_rank(good, 3)
    raised_a, raised_b = matrices(good)
    assert raised_a.shape == (6, 3)
    assert raised_b.shape == (4, 6)
    assert torch.equal(raised_b @ raised_a, 3 * (b @ a))
    assert read_manifest(good).config["r"] == 6


def test_half_a_file_is_left_of_a_broken_copy(good: Path) -> None:
    """The header still says how long the file should be."""
    size = (good / WEIGHTS).stat().st_size
    cut_short(good)
    assert (good / WEIGHTS).stat().st_size == size // 2
    (header,) = struct.unpack("<Q", (good / WEIGHTS).read_bytes()[:8])
    assert header < size


def test_spoiling_leaves_the_good_adapter_alone(good: Path, tmp_path: Path) -> None:
    """Every damage is done to a copy, under its own name."""
    before = (good / WEIGHTS).read_bytes()
    places = [spoiled(good, damage, tmp_path / "spoilt") for damage in DAMAGES]
    assert (good / WEIGHTS).read_bytes() == before
    assert [place.name for place in places] == [damage.name for damage in DAMAGES]
    assert all((place / WEIGHTS).read_bytes() != before for place in places)


def plain_lines(*scenes: Scene | Claim) -> list[str]:
    out = io.StringIO()
    with PlainBoard(Console(file=out, width=200)) as board:
        for scene in scenes:
            board.show(scene) if isinstance(scene, Scene) else board.judge(scene)
    return out.getvalue().splitlines()


def test_what_is_no_terminal_gets_one_line_for_each_thing() -> None:
    """A line tells generation, times and answer, and an answer's brackets are no markup."""
    (line,) = plain_lines(DROPPED)
    assert "pirate dropped: generation 1, 0.75 s to live, pause 0.40 ms; it answers: Arr! [bold]Paris[/bold]" in line


def test_a_refusal_says_why_and_what_still_answers() -> None:
    """A refused adapter takes two lines: the reason, and what is live."""
    why, still = plain_lines(REFUSED)
    assert "diverged dropped: not taken. REJECTED: non_finite: a weight is NaN" in why
    assert "still generation 1; it answers: Arr!" in still


def test_what_is_waited_for_is_said_once() -> None:
    """Start-up asks fifty times a second what the daemon is at."""
    out = io.StringIO()
    board = PlainBoard(Console(file=out))
    for sentence in ("loading", "loading", "warming up", "warming up"):
        board.working(sentence)
    assert [line.split("... ")[1] for line in out.getvalue().splitlines()] == ["loading", "warming up"]


def test_a_broken_promise_is_told_apart_without_colour() -> None:
    """Whether a promise held is a word, not only a colour."""
    held, broken = plain_lines(Claim("nothing was recompiled", True), Claim("it is live", False, "the base answers"))
    assert "NOT" not in held
    assert "NOT HELD  it is live (the base answers)" in broken


def test_a_terminal_gets_a_table_that_grows() -> None:
    """Every row, reason and verdict is on the screen in the end."""
    out = io.StringIO()
    console = Console(file=out, width=120, force_terminal=True, legacy_windows=False)
    with LiveBoard(console) as board:
        board.say("An introduction.")
        for scene in (DROPPED, REFUSED):
            board.show(scene)
        board.judge(Claim("nothing was recompiled", True))
    for text in ("An introduction.", "0.75 s", "0.40 ms", "non_finite", "nothing was recompiled"):
        assert text in out.getvalue()


def test_a_terminal_shows_what_is_waited_for_until_it_has_come() -> None:
    """The spinner's line goes when the thing it told of has happened."""
    console = Console(file=io.StringIO(), width=120, force_terminal=True, legacy_windows=False)
    board = LiveBoard(console)

    def screen() -> str:
        with console.capture() as captured:
            console.print(board.page())
        return captured.get()

    board.working("loading the model")
    assert "loading the model" in screen()
    board.show(DROPPED)
    assert "loading the model" not in screen()
    assert "pirate dropped" in screen()


@pytest.mark.parametrize(("terminal", "kind"), [(True, LiveBoard), (False, PlainBoard)])
def test_the_board_is_chosen_by_the_output(terminal: bool, kind: type) -> None:
    """A pipe or a log gets no cursor movements."""
    assert isinstance(open_board(Console(file=io.StringIO(), force_terminal=terminal)), kind)


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
    monkeypatch.setattr(demo_model, "__file__", str(tmp_path / "site-packages/hotswapd/daemon/demo_model.py"))
    assert demo_model.cache_directory({"XDG_CACHE_HOME": "/x"}) == Path("/x/hotswapd")
    assert demo_model.cache_directory({}) == Path.home() / ".cache/hotswapd"


def test_a_missing_model_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without the model's package the demo ends with status 78, one sentence, and nothing left behind."""
    monkeypatch.setattr(demo, "cache_directory", lambda environ: tmp_path / "cache")
    monkeypatch.setattr(demo_model, "_PACKAGE", "no_such_package")
    monkeypatch.setattr(demo.tempfile, "mkdtemp", lambda prefix: str(_made(tmp_path / prefix)))
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
    assert len(story.claims) == len(parts) + len(DAMAGES) + 4
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
    monkeypatch.setattr("hotswapd.daemon.demo_process.subprocess.Popen", popen)
    daemon = DemoDaemon(tmp_path / "room", tmp_path / "cache", tmp_path, ())
    daemon.prepare()
    with pytest.raises(Stopped):
        daemon.start(lambda sentence: None)
    assert "HOTSWAPD_MODEL__BASE" not in seen
    assert seen["TORCHINDUCTOR_CACHE_DIR"] == str(tmp_path / "cache" / "inductor")
