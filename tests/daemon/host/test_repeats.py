"""A repeated event is counted, not repeated."""

import io
import json
import logging
from collections.abc import Callable

import pytest
import structlog
from kits.clock import Clock

from hotswapd.daemon.host.log import setup_logging
from hotswapd.daemon.host.repeats import Repeats


class Written(logging.Handler):
    """Keeps what it is given, behind the filter."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.due: list[Callable[[], None]] = []
        self.lines: list[logging.LogRecord] = []
        self.repeats = Repeats(self, self.clock, lambda _, call: self.due.append(call))
        self.addFilter(self.repeats)

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record)

    def say(self, times: int = 1, event: str = "down", **fields: object) -> None:
        for _ in range(times):
            self.handle(logging.LogRecord("a", logging.WARNING, "", 0, {"event": event, **fields}, (), None))


@pytest.fixture
def written() -> Written:
    return Written()


def test_the_same_event_is_written_five_times_and_then_counted(written: Written) -> None:
    written.say(90_000, detail="accepting failed", time="now", seconds=0.1)
    assert len(written.lines) == 5
    assert len(written.due) == 1
    written.due[0]()
    assert len(written.lines) == 6
    assert written.lines[-1].msg == {
        "event": "down",
        "detail": "accepting failed",
        "time": "now",
        "seconds": 0.1,
        "repeated": 90_000 - 5,
    }


def test_an_event_that_comes_again_later_is_written_again(written: Written) -> None:
    written.say(5)
    written.clock.now += 60
    written.say(5)
    assert len(written.lines) == 10
    assert written.due == []


def test_other_fields_make_another_event(written: Written) -> None:
    for number in range(40):
        written.say(uri=f"file:///run-{number}")
    assert len(written.lines) == 40


def test_one_name_has_a_thousand_lines_in_a_minute(written: Written) -> None:
    for number in range(3000):
        written.say(detail=f"from port {number}")
    assert len(written.lines) == 1000
    written.repeats.flush()
    assert written.lines[-1].msg["repeated"] == 2000  # type: ignore[index] # it is a dictionary


def test_a_new_minute_begins_after_the_count_is_written(written: Written) -> None:
    written.say(10)
    written.due[0]()
    written.say(10)
    assert len(written.lines) == 5 + 1 + 5
    assert len(written.due) == 2


def test_a_librarys_lines_are_counted_by_their_text(written: Written) -> None:
    for _ in range(10):
        written.handle(logging.LogRecord("b", logging.ERROR, "", 0, "no %s", ("room",), None))
    written.repeats.flush()
    assert [record.getMessage() for record in written.lines] == ["no room"] * 6
    assert vars(written.lines[-1])["repeated"] == 5


def test_the_daemons_log_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines of its own and of a library, as they are written; the number stands in a field of the line."""
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", list(root.handlers))
    out = io.StringIO()
    setup_logging("info", "json", out)
    for _ in range(20):
        structlog.get_logger("x").warning("accept_failed", detail="no descriptors")
        logging.getLogger("library").error("no descriptors")
    (handler,) = root.handlers
    (repeats,) = handler.filters
    assert isinstance(repeats, Repeats)
    repeats.flush()
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert len(lines) == 12
    assert [line["repeated"] for line in lines if "repeated" in line] == [15, 15]
    structlog.reset_defaults()
