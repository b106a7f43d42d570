"""Log lines beside progress bars."""

import io
import logging
from importlib import import_module
from typing import Any

import pytest

from hotswapd.daemon.host.bars import BesideBars

tqdm: Any = import_module("tqdm")  # it has no types


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def record(text: str) -> logging.LogRecord:
    return logging.LogRecord("n", logging.INFO, "f", 1, text, None, None)


def test_a_bar_is_cleared_before_a_line_and_drawn_again_after_it() -> None:
    out = Terminal()
    bar = tqdm.tqdm(total=10, desc="Loading", file=out, mininterval=0, ncols=40)
    out.seek(0)
    out.truncate()
    try:
        BesideBars(out).emit(record("a line"))
    finally:
        shown = out.getvalue()
        bar.close()
    before, _, after = shown.partition("a line\n")
    assert before.endswith("\r")
    assert before.strip("\r ") == ""
    assert "Loading" in after


def test_a_pipe_gets_the_line_alone() -> None:
    out = io.StringIO()
    BesideBars(out).emit(record("a line"))
    assert out.getvalue() == "a line\n"


def test_an_empty_record_leaves_nothing() -> None:
    out = io.StringIO()
    BesideBars(out).emit(record(""))
    assert out.getvalue() == ""


def test_a_line_that_cannot_be_written_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    failed: list[logging.LogRecord] = []
    out = io.StringIO()
    out.close()
    handler = BesideBars(out)
    monkeypatch.setattr(handler, "handleError", failed.append)
    handler.emit(record("a line"))
    assert len(failed) == 1
