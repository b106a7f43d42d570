"""Log lines leave through a queue: no caller waits, what does not fit is dropped, counted and reported."""

import fcntl
import io
import os
import threading
from collections.abc import Iterator
from typing import TextIO

import pytest

from hotswapd.daemon.host.outlet import Outlet

_PAGE = 4096


def report(lines: int) -> str:
    return f"dropped {lines}\n"


class Pipe:
    """A pipe of one page; `out` is the end that is written to."""

    def __init__(self) -> None:
        self.reader, writer = os.pipe()
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, _PAGE)
        self.out: TextIO = os.fdopen(writer, "w")

    def read(self) -> str:
        return os.read(self.reader, 1 << 20).decode()


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    os.set_blocking(made.reader, False)
    os.close(made.reader)
    made.out.close()


def test_lines_come_out_in_their_order(pipe: Pipe) -> None:
    outlet = Outlet(pipe.out, report)
    for index in range(100):
        outlet.put(f"{index}\n")
    assert outlet.flush(30)
    assert pipe.read() == "".join(f"{index}\n" for index in range(100))
    assert outlet.dropped == 0


def test_a_reader_that_stops_holds_up_no_caller(pipe: Pipe) -> None:
    """What fits into the queue waits, the rest is counted; a reader that comes back gets what waited, and a report."""
    os.write(pipe.out.fileno(), b"." * _PAGE)
    outlet = Outlet(pipe.out, report, room=3000)
    line = "x" * 999 + "\n"
    done = threading.Event()

    def write() -> None:
        for _ in range(50):
            outlet.put(line)
        done.set()

    threading.Thread(target=write, daemon=True).start()
    assert done.wait(30), "a caller waits for the reader"
    assert not outlet.flush(0.05)
    assert 40 <= outlet.dropped < 50
    got = ""
    while "dropped" not in got or got.count("x" * 999) < 50 - outlet.dropped:  # pytest's time limit ends it
        got += pipe.read()
    assert f"dropped {outlet.dropped}\n" in got
    outlet.put("after\n")
    assert outlet.flush(30)
    assert pipe.read() == "after\n"


def test_a_line_larger_than_the_room_goes_out_alone(pipe: Pipe) -> None:
    outlet = Outlet(pipe.out, report, room=10)
    outlet.put("a line that is longer than ten bytes\n")
    assert outlet.flush(30)
    assert outlet.dropped == 0


def test_a_stream_that_refuses_costs_the_lines_only() -> None:
    """A full disk: every line is counted, and the thread goes on."""
    with open("/dev/full", "w") as full:
        outlet = Outlet(full, report)
        for _ in range(3):
            outlet.put("line\n")
        assert outlet.flush(30)
        assert outlet.dropped == 3


def test_a_stream_in_memory_is_written_at_once() -> None:
    out = io.StringIO()
    Outlet(out, report).put("line\n")
    assert out.getvalue() == "line\n"
