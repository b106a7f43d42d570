"""The log: one line for each event, in one form for our own and the libraries' records, and no secret in it."""

import io
import json
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from hotswapd.daemon.host.log import setup_logging


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield io.StringIO()
    root.handlers[:], root.level = before[0], before[1]
    logging.captureWarnings(False)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_off_a_terminal_an_event_is_a_line_of_json(out: io.StringIO) -> None:
    setup_logging("info", "auto", out)
    structlog.get_logger("hotswapd.test").info("live", swap_id="s1", generation=3, text="two\nlines")
    (line,) = lines(out)
    assert line["event"] == "live"
    assert (line["swap_id"], line["generation"], line["level"], line["logger"]) == ("s1", 3, "info", "hotswapd.test")
    assert line["time"].endswith("Z")


def test_a_terminal_gets_readable_lines(out: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(out, "isatty", lambda: True)
    setup_logging("info", "auto", out)
    structlog.get_logger().info("live", swap_id="s1")
    assert "live" in out.getvalue()
    assert not out.getvalue().startswith("{")


def test_records_of_libraries_have_the_same_form(out: io.StringIO) -> None:
    setup_logging("info", "json", out)
    logging.getLogger("some.library").warning("%d files", 3, extra={"swap_id": "s1"})
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    record, warning = lines(out)
    assert (record["event"], record["logger"], record["swap_id"]) == ("3 files", "some.library", "s1")
    assert "old" in warning["event"]


def test_a_bound_swap_id_is_in_every_line(out: io.StringIO) -> None:
    """In those of libraries too."""
    setup_logging("info", "json", out)
    with structlog.contextvars.bound_contextvars(swap_id="s7"):
        structlog.get_logger().info("fetched")
        logging.getLogger("some.library").info("downloaded")
    assert [line["swap_id"] for line in lines(out)] == ["s7", "s7"]


@pytest.mark.parametrize(("level", "count"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_the_level_is_a_floor(out: io.StringIO, level: str, count: int) -> None:
    setup_logging(level, "json", out)
    log = structlog.get_logger()
    for say in (log.debug, log.info, log.warning, log.error):
        say("event")
    assert len(lines(out)) == count


def test_talkative_libraries_are_held_to_warnings(out: io.StringIO) -> None:
    setup_logging("debug", "json", out)
    logging.getLogger("botocore.auth").debug("signing with the key")
    logging.getLogger("uvicorn.error").info("started")
    assert lines(out) == []


@pytest.mark.parametrize("form", ["json", "console"])
def test_secrets_are_left_out(out: io.StringIO, form: str) -> None:
    setup_logging("info", form, out)
    log = structlog.get_logger()
    log.info("asking", token="hf_abcdefghijkl", api_key="k-1", header="Authorization: Bearer sesame")
    logging.getLogger("lib").info("GET https://b/x?X-Amz-Credential=AKIA/1&X-Amz-Signature=beef with hf_abcdefghijkl")
    log.error("failed", exc_info=ValueError("refused hf_abcdefghijkl"))
    said = out.getvalue()
    assert "ValueError: refused" in said
    secrets = ("hf_abc", "k-1", "sesame", "AKIA", "beef")
    assert [secret for secret in secrets if secret in said] == []


def test_an_exception_stays_on_one_line_of_json(out: io.StringIO) -> None:
    setup_logging("info", "json", out)
    structlog.get_logger().error("failed", exc_info=ValueError("no"))
    (line,) = lines(out)
    assert "ValueError: no" in line["exception"]


def test_a_second_call_replaces_the_first(out: io.StringIO) -> None:
    setup_logging("info", "json", io.StringIO())
    setup_logging("info", "json", out)
    structlog.get_logger().info("once")
    assert len(lines(out)) == 1
