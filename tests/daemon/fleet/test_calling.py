"""A watcher's control API without a socket: what one daemon's control socket answers, to the letter."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from kits.operators import make_operator

from hotswapd.daemon.fleet.calling import Calling
from hotswapd.daemon.ledger.ledger import Ledger


@pytest.fixture
def calling(tmp_path: Path) -> Calling:
    return Calling(make_operator(Ledger(tmp_path / "ledger.sqlite")))


def call(calling: Calling, method: str, path: str, query: str = "", body: bytes = b"") -> tuple[int, Any]:
    called = asyncio.run(calling.call(method, path, query, body))
    return called.status, json.loads(called.body)


def test_questions_are_answered(calling: Calling) -> None:
    status, said = call(calling, "GET", "/status")
    assert (status, said["ready"], said["live"]["generation"]) == (200, False, 0)
    assert call(calling, "GET", "/history", "limit=3") == (200, [])


def test_a_change_is_made_and_written_down(calling: Calling) -> None:
    assert call(calling, "POST", "/pause", body=b'{"channel": "default"}') == (200, {"paused": True})
    assert call(calling, "GET", "/status")[1]["paused"]
    assert [one["action"] for one in call(calling, "GET", "/actions")[1]] == ["pause"]


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        (("GET", "/history", "limit=none"), 400, "bad_limit"),
        (("GET", "/status", "channel=nobody"), 404, "no_such_channel"),
        (("POST", "/rollback", "", b'{"generation": 1}'), 503, "not_ready"),
        (("POST", "/pin", "", b"no JSON"), 400, "not_json"),
        (("POST", "/pin", "", b'{"padding": "%s"}' % (b"x" * (1 << 17))), 400, "body_too_large"),
        (("GET", "/nowhere"), 404, "not_found"),
        (("DELETE", "/status"), 405, "method_not_allowed"),
    ],
)
def test_refusals_have_the_status_and_code_of_the_socket(
    calling: Calling, request_: tuple[Any, ...], status: int, code: str
) -> None:
    found = call(calling, *request_)
    assert (found[0], found[1]["error"]["code"]) == (status, code)
