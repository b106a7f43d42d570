"""``hotswapd fleet``: what is wrong is said in sentences, before Ray is asked and when it does not answer."""

import builtins
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from hotswapd.daemon.cli import main

ACTS = ("deploy", "delete")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "hotswapd.toml"
    shared = tmp_path / "shared"
    file.write_text(f'[model]\nbase = "b"\ndevice = "cpu"\n[fleet]\nshared = "{shared}"\naddress = "127.0.0.1:1"\n')
    return file


@pytest.mark.parametrize("act", ACTS)
def test_a_configuration_that_is_no_fleets_is_refused_before_ray_is_asked(
    act: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "hotswapd.toml"
    file.write_text('[model]\nbase = "b"\n[serve]\ntls_cert = "/cert"\n')
    assert main(["fleet", act, "--config", str(file)]) == 78
    said = capsys.readouterr().err.splitlines()
    assert said == [
        "hotswapd: fleet.shared: is required for a fleet: name a directory that every node has mounted",
        "hotswapd: serve.tls_cert: a fleet's HTTP is Ray Serve's: put TLS in front of it, and remove this key",
    ]


@pytest.mark.parametrize("act", ACTS)
def test_without_ray_a_sentence_says_what_to_install(
    act: str, config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = builtins.__import__

    def without_ray(name: str, *more: Any, **named: Any) -> Any:
        if name.partition(".")[0] == "ray":
            raise ImportError(name)
        return found(name, *more, **named)

    monkeypatch.setattr(builtins, "__import__", without_ray)
    assert main(["fleet", act, "--config", str(config)]) == 4
    assert capsys.readouterr().err == (
        "hotswapd: a fleet runs on Ray Serve, which is not installed: pip install 'hotswapd[ray]'\n"
    )


@pytest.mark.parametrize("act", ACTS)
def test_where_no_ray_answers_a_sentence_says_what_to_start(act: str, config: Path) -> None:
    """In a process of its own: Ray leaves threads and handlers behind."""
    if find_spec("ray") is None:
        pytest.skip("the extra `ray` is not installed")
    program = [sys.executable, "-W", "ignore", "-m", "hotswapd.daemon.cli", "fleet", act, "--config", str(config)]
    done = subprocess.run(program, check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr == (
        "hotswapd: no Ray answers at fleet.address = '127.0.0.1:1': Connection refused; start one with "
        "`ray start --head`\n"
    )


def test_an_act_is_required(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["fleet"])
    assert caught.value.code == 2
