"""The command line: what it prints, its exit codes, and that it answers at once."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from kits.daemon_fakes import HISTORY, STATUS, URI, FakeFace
from kits.fronts import front

from hotswapd.daemon.cli import main


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[FakeFace, str]]:
    face = FakeFace()
    with front(face, tmp_path_factory.mktemp("cli")) as made:
        yield face, str(made.socket)


@pytest.fixture
def face(served: tuple[FakeFace, str]) -> FakeFace:
    served[0].reset()
    return served[0]


@pytest.fixture
def daemon(served: tuple[FakeFace, str], face: FakeFace) -> str:
    return served[1]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hotswapd.daemon.cli", *arguments]
    return start(command)


def start(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


def test_json_is_exactly_the_daemons_answer(daemon: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--json", "--socket", daemon]) == 0
    assert json.loads(capsys.readouterr().out) == STATUS
    assert main(["history", "--json", "-n", "1", "--socket", daemon]) == 0
    assert json.loads(capsys.readouterr().out) == HISTORY[:1]


def test_without_json_a_person_can_read_it(daemon: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--socket", daemon]) == 0
    assert URI in capsys.readouterr().out
    assert main(["history", "--socket", daemon]) == 0
    assert "non_finite" in capsys.readouterr().out


def test_the_configuration_names_the_socket(daemon: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "c.toml"
    config.write_text(f'[control]\nsocket = "{daemon}"\n')
    assert main(["status", "--json", "--config", str(config)]) == 0
    assert json.loads(capsys.readouterr().out)["ready"] is True


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        (["submit", "s3://b/p/"], ("submit", "s3://b/p/", False)),
        (["submit", "--again", "/srv/a"], ("submit", "/srv/a", True)),
        (["rollback"], ("rollback", None, False)),
        (["rollback", "2", "--follow"], ("rollback", 2, True)),
        (["pin", "0"], ("pin", 0)),
        (["pin"], ("pin", None)),
        (["unpin"], ("unpin",)),
        (["pause"], ("pause",)),
        (["resume"], ("resume",)),
    ],
)
def test_each_command_asks_for_what_it_says(
    daemon: str, face: FakeFace, capsys: pytest.CaptureFixture[str], arguments: list[str], asked: tuple[object, ...]
) -> None:
    assert main([arguments[0], "--socket", daemon, *arguments[1:]]) == 0
    assert face.asked == [asked]
    assert capsys.readouterr().out.startswith(arguments[0])


def test_a_relative_path_is_submitted_as_an_absolute_one(
    daemon: str, face: FakeFace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["submit", "run-7", "--socket", daemon]) == 0
    assert face.asked == [("submit", str(tmp_path / "run-7"), False)]


def test_no_daemon_is_exit_4_with_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--socket", str(tmp_path / "none")]) == 4
    said = capsys.readouterr().err
    assert said.startswith("hotswapd: no daemon answers")
    assert said.count("\n") == 1


def test_what_the_daemon_refuses_is_exit_3(daemon: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rollback", "99", "--socket", daemon]) == 3
    assert capsys.readouterr().err == "hotswapd: generation 99 is not kept\n"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["dance"],
        ["submit"],
        ["rollback", "two"],
        ["pin", "-1"],
        ["history", "-n", "0"],
        ["status", "--socket", "/a", "--config", "/b"],
    ],
)
def test_wrong_usage_is_exit_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: hotswapd" in capsys.readouterr().err


def test_a_wrong_configuration_is_exit_78_a_line_a_key(tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text('[model]\nbase = "m"\nmax_rank = 0\n[serve]\nport = -1\n')
    done = run("run", "--config", str(config))
    assert done.returncode == 78
    lines = done.stderr.splitlines()
    assert [line.split(":")[1].strip() for line in lines] == ["model.max_rank", "serve.port"]


def test_run_needs_a_base(tmp_path: Path) -> None:
    done = run("run", "--config", str(tmp_path / "none.toml"))
    assert done.returncode == 78
    assert "none.toml" in done.stderr


def test_a_reader_that_stops_reading_is_not_an_error(daemon: str) -> None:
    command = (
        f"{sys.executable} -m hotswapd.daemon.cli history --json --socket {daemon} | true; exit ${{PIPESTATUS[0]}}"
    )
    done = start(["bash", "-c", command])
    assert (done.returncode, done.stderr) == (0, "")


def test_watch_shows_it_again_until_interrupted(daemon: str) -> None:
    # What a shell starts in the background ignores the interrupt, and Python keeps it so: env gives it back.
    program = ["env", "--default-signal=INT", sys.executable, "-m", "hotswapd.daemon.cli"]
    command = [*program, "status", "--watch", "--json", "--socket", daemon]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first, second = process.stdout.readline(), process.stdout.readline()
        process.send_signal(2)
        _, errors = process.communicate(timeout=30)
    assert json.loads(first) == json.loads(second) == STATUS
    assert (process.returncode, errors) == (0, "")


def test_the_installed_program_is_this_one() -> None:
    program = Path(sys.executable).with_name("hotswapd")
    done = start([str(program), "--version"])
    assert done.stdout.startswith("hotswapd ")
