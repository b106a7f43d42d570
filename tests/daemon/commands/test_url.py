"""`--url` and `--key-file`: the commands talk to a fleet as to a daemon, over HTTP and with the operator's key."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import uvicorn
from fastapi import APIRouter
from kits.daemon_fakes import FakeFace
from kits.operators import make_operator
from kits.waiting import until

from hotswapd.daemon.answers import Overview
from hotswapd.daemon.cli import main
from hotswapd.daemon.errors import ErrorCode, NotReady
from hotswapd.daemon.fleet.calling import Calling
from hotswapd.daemon.ledger.ledger import Ledger
from hotswapd.daemon.report.metrics import Metrics
from hotswapd.daemon.serve.app import make_ingress_app
from hotswapd.daemon.serve.controlled import control_routes
from hotswapd.daemon.serve.face import Shown
from hotswapd.daemon.serve.names import names_of

KEY = "the operator's"


@dataclass
class Ingress:
    """An ingress whose watcher has a ledger and is still starting; `away` if nobody is there."""

    url: str
    key_file: Path
    ledger: Ledger
    away: bool = False

    def command(self, *arguments: str) -> int:
        return main([arguments[0], "--url", self.url, "--key-file", str(self.key_file), *arguments[1:]])


@contextmanager
def listening(operators: list[APIRouter], shown: Shown | None = None) -> Iterator[str]:
    app = make_ingress_app(FakeFace(), names_of("m", (), ()), Metrics(), shown=shown, operators=operators)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, args=([sock],), daemon=True)
        thread.start()
        until(lambda: server.started, "it never listens")
        try:
            yield f"http://127.0.0.1:{sock.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(30.0)


@pytest.fixture
def ingress(tmp_path: Path) -> Iterator[Ingress]:
    ledger, key_file = Ledger(tmp_path / "ledger.sqlite"), tmp_path / "key"
    key_file.write_text(f"{KEY}\n")
    calling = Calling(make_operator(ledger))
    made = Ingress("", key_file, ledger)

    async def call(method: str, path: str, query: str, body: bytes) -> tuple[int, bytes]:
        if made.away:
            raise NotReady(ErrorCode.NOT_READY, "the watcher is away")
        called = await calling.call(method, path, query, body)
        return called.status, called.body

    with listening([control_routes(str(key_file), call)]) as made.url:
        yield made


def test_a_fleet_is_asked_and_changed(ingress: Ingress, capsys: pytest.CaptureFixture[str]) -> None:
    assert ingress.command("status") == 0
    assert "the base model alone" in capsys.readouterr().out
    assert ingress.command("history") == 0
    assert ingress.command("pause") == 0
    assert ingress.ledger.flags.paused()
    assert ingress.command("rollback", "7") == 4, "it is still starting"
    assert "starting" in capsys.readouterr().err


def test_without_the_key_nothing_is_shown_or_changed(ingress: Ingress, capsys: pytest.CaptureFixture[str]) -> None:
    ingress.key_file.with_name("other").write_text("a client's")
    other = str(ingress.key_file.with_name("other"))
    for command in ("status", "pause"):
        assert main([command, "--url", ingress.url, "--key-file", other]) == 3
        assert "key" in capsys.readouterr().err
        answer = httpx.request("POST" if command == "pause" else "GET", f"{ingress.url}/control/{command}", json={})
        assert answer.status_code == 401
    assert not ingress.ledger.flags.paused()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--url", "ftp://host"], "no address of a fleet"),
        (["--url", "http://host"], "needs --key-file"),
        (["--url", "http://host", "--key-file", "/nowhere/key"], "/nowhere/key cannot be read"),
    ],
)
def test_what_cannot_be_used_is_a_mistake_of_the_command(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if "ftp" in arguments[1]:
        (tmp_path / "key").write_text(KEY)
        arguments = [*arguments, "--key-file", str(tmp_path / "key")]
    assert main(["status", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_a_watcher_that_is_away_is_tried_again_later(ingress: Ingress, capsys: pytest.CaptureFixture[str]) -> None:
    ingress.away = True
    assert ingress.command("status") == 4
    assert "away" in capsys.readouterr().err


def test_a_fleet_without_an_operators_key_says_which_key_to_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "key").write_text(KEY)
    with listening([]) as url:
        assert main(["status", "--url", url, "--key-file", str(tmp_path / "key")]) == 4
    assert "control.key_file" in capsys.readouterr().err


def test_nobody_there_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "key").write_text(KEY)
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
    assert main(["status", "--url", url, "--key-file", str(tmp_path / "key")]) == 4
    assert f"no fleet answers at {url}" in capsys.readouterr().err


def test_what_is_no_json_or_too_large_is_refused_at_the_door(ingress: Ingress) -> None:
    """A page of another site cannot send JSON; and no more is kept of a body than an operator ever sends."""
    headers = {"Authorization": f"Bearer {KEY}"}
    url = f"{ingress.url}/control/pause"
    assert httpx.post(url, content="{}", headers={**headers, "Content-Type": "text/plain"}).status_code == 415
    large = httpx.post(url, content=b"x" * (1 << 17), headers={**headers, "Content-Type": "application/json"})
    assert (large.status_code, large.json()["error"]["code"]) == (400, "body_too_large")
    assert not ingress.ledger.flags.paused()


class Away:
    """What is shown of a fleet whose watcher is away."""

    def overview(self) -> Overview:
        raise NotReady(ErrorCode.NOT_READY, "the watcher is away")

    def exposition(self) -> bytes:
        raise NotReady(ErrorCode.NOT_READY, "the watcher is away")


def test_an_ingress_shows_what_the_watcher_knows(tmp_path: Path) -> None:
    """The page and its answer, and metrics; without a watcher each says so, and the page's files are there."""
    with listening([], make_operator(Ledger(tmp_path / "ledger.sqlite"))) as url:
        assert httpx.get(f"{url}/status.json").json()["status"]["replicas"] == []
        assert "hotswapd_" in httpx.get(f"{url}/metrics").text
    with listening([], Away()) as url:
        assert "text/html" in httpx.get(f"{url}/").headers["Content-Type"]
        for path in ("/status.json", "/metrics"):
            assert httpx.get(f"{url}{path}").status_code == 503
    with listening([]) as url:
        assert httpx.get(f"{url}/status.json").status_code == 404
