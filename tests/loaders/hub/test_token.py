"""The token comes from its file at each use, goes to the Hub alone, and is never shown to anybody."""

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from kits.hub import REPO, adapter, opened, serves, sight
from kits.hub_server import Exchange, HubServer

from hotswapd.loaders.errors import LoadError, SourceDown
from hotswapd.loaders.store.store import Store

SECRET = "hf_" + "S3cr3t" * 5


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(SECRET + "\n")
    return path


@pytest.fixture
def private(hub: HubServer) -> HubServer:
    """Yield a Hub with one private repository, which the token opens."""
    hub.token = SECRET
    hub.commit(REPO, adapter())
    hub.repos[REPO].private = True
    return hub


@contextmanager
def down(code: str) -> Iterator[pytest.ExceptionInfo[SourceDown]]:
    with pytest.raises(SourceDown) as raised:
        yield raised
    assert raised.value.code == code
    assert SECRET not in "".join(traceback.format_exception(raised.value))


def test_a_private_and_gated_repository_opens_with_the_token(
    private: HubServer, token_file: Path, store: Store
) -> None:
    private.repos[REPO].gated = True
    private.fault("api (HEAD|GET)", let_in)
    with opened(private, token_file=str(token_file)) as source:
        serves(source, store, b"\1\2\3\4")


def let_in(exchange: Exchange) -> None:
    """Serve a gated repository with the token only, as the Hub does once its terms are accepted."""
    repo = exchange.server.hub.repos[REPO]
    repo.gated = exchange.headers.get("Authorization") != f"Bearer {SECRET}"
    exchange.answer()


def test_the_token_goes_only_to_the_hub(private: HubServer, token_file: Path, store: Store) -> None:
    with opened(private, token_file=str(token_file)) as source, private.counting() as seen:
        serves(source, store, b"\1\2\3\4")
    by_server = {name: {request.authorization for request in seen if request.server == name} for name in ("api", "cdn")}
    assert by_server == {"api": {f"Bearer {SECRET}"}, "cdn": {None}}


def test_the_machines_own_token_is_never_sent(hub: HubServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "login").write_text(SECRET)
    monkeypatch.setenv("HF_TOKEN", SECRET)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "login"))
    hub.commit(REPO, adapter())
    with opened(hub) as source, hub.counting() as seen:
        sight(source)
    assert {request.authorization for request in seen} == {None}


def test_a_variable_that_is_named_holds_the_token(
    private: HubServer, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is looked at for each call, and its value is in no sentence."""
    with opened(private, token_env="HF_TOKEN") as source:
        for value, code in (("", "token_unreadable"), ("two words", "token_malformed"), ("wrong", "hub_unauthorized")):
            monkeypatch.setenv("HF_TOKEN", value)
            with down(code) as raised:
                source.scan()
            assert "HF_TOKEN" in raised.value.sentence
        monkeypatch.setenv("HF_TOKEN", f"{SECRET}\n")
        serves(source, store, b"\1\2\3\4")


def test_a_file_goes_before_a_variable(private: HubServer, token_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "wrong")
    with opened(private, token_file=str(token_file), token_env="HF_TOKEN") as source:
        sight(source)


def test_a_renewed_token_is_used_at_once(private: HubServer, token_file: Path) -> None:
    token_file.write_text("hf_expired")
    with opened(private, token_file=str(token_file)) as source:
        with down("hub_unauthorized"):
            source.scan()
        token_file.write_text(SECRET)
        sight(source)


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", f"{SECRET} {SECRET}".encode(), f"{SECRET}\nX-Other: {SECRET}".encode(), SECRET.encode() + b"\xff"],
)
def test_a_malformed_token_file_makes_no_call(private: HubServer, token_file: Path, content: bytes) -> None:
    token_file.write_bytes(content)
    with opened(private, token_file=str(token_file)) as source, private.counting() as seen, down("token_malformed"):
        source.scan()
    assert seen == []


def test_a_missing_token_file_is_tried_again(private: HubServer, token_file: Path) -> None:
    away = token_file.rename(token_file.with_name("away"))
    with opened(private, token_file=str(token_file)) as source:
        with down("token_unreadable"):
            source.scan()
        away.rename(token_file)
        sight(source)


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 429, 500, 0])
def test_the_token_is_in_no_log_line_and_no_exception(
    private: HubServer, token_file: Path, store: Store, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    """Everything is logged that the libraries below can log, and the Hub sends the token back."""
    caplog.set_level(logging.DEBUG)
    for name in ("httpx", "httpx2", "httpcore", "httpcore2", "huggingface_hub"):
        caplog.set_level(logging.DEBUG, logger=name)

    def act(exchange: Exchange) -> None:
        if status:
            exchange.send(status, SECRET.encode())
        exchange.close_connection = True

    with opened(private, token_file=str(token_file)) as source:
        sighting = sight(source)
        private.fault(".", act)
        shown = [caplog.text, repr(source)]
        for attempt in (source.scan, lambda: source.fetch(sighting, store, private.released)):
            with pytest.raises(LoadError) as raised:
                attempt()
            shown += ["".join(traceback.format_exception(raised.value)), repr(raised.value), raised.value.sentence]
    assert SECRET not in "".join([*shown, caplog.text])


def test_the_body_of_an_error_is_not_quoted(private: HubServer, token_file: Path) -> None:
    private.fault(".", lambda exchange: exchange.refuse(403, "", {"X-Error-Message": f"{SECRET} may not"}))
    with opened(private, token_file=str(token_file)) as source, down("hub_forbidden"):
        source.scan()
