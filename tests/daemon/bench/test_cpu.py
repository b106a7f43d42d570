"""The CPU time of a process and of what it has started."""

import os
import subprocess
import sys

from hotswapd.daemon.bench.cpu import cpu_seconds

BUSY = """
import subprocess, sys, time
if len(sys.argv) > 1:
    below = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdin=subprocess.PIPE)
while time.process_time() < 0.3:
    pass
print("done", flush=True)
sys.stdin.read()
"""


def test_what_a_process_and_its_children_use_is_counted() -> None:
    """The child's child is one of them; whom a caller leaves out is none, and who has ended."""
    here = os.getpid()
    with subprocess.Popen([sys.executable, "-c", BUSY, BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as made:
        assert made.stdout is not None
        assert [made.stdout.readline() for _ in range(2)] == [b"done\n"] * 2  # the child's child writes there, too
        assert cpu_seconds([made.pid]) >= 0.5
        assert cpu_seconds([here]) - cpu_seconds([here], without=[made.pid]) >= 0.5
        made.communicate()
    assert cpu_seconds([made.pid]) == 0
