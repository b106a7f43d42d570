"""Runs an external judge and ends with its exit code: however the daemon ends, no judge outlives it.

A bare interpreter runs this file in its own process group: ``judge_guard.py REPORT PROGRAM ARGUMENT...``. Its standard
input is a pipe whose other end only the daemon has. A parent-death signal would not do: it reaches the program but not
what the program has started, and it comes when the thread that made the process ends.
"""

import os
import select
import signal
import sys


def main(report: int, argv: list[str]) -> int:
    """Return the program's exit code, or end by its signal. If it cannot be started, `report` gets the error number."""
    os.set_inheritable(report, False)
    nothing_to_read = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
    usual = [signal.SIGPIPE, signal.SIGXFSZ]  # Python ignores them
    try:
        program = os.posix_spawnp(argv[0], argv, os.environ, file_actions=[nothing_to_read], setsigdef=usual)
    except OSError as error:
        os.write(report, str(error.errno).encode())
        return 1
    os.close(report)
    readable, _, _ = select.select([0, os.pidfd_open(program)], [], [])
    if 0 in readable:
        os.killpg(0, signal.SIGKILL)
    return _end_as(os.waitstatus_to_exitcode(os.waitpid(program, 0)[1]))


def _end_as(code: int) -> int:
    if code >= 0:
        return code
    if -code not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
    return 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
