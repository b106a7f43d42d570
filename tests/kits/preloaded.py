"""A process that has imported the daemon, and forks the real program from there: a start costs a second, not ten.

It reads one JSON object a line, forks, and answers with the process's number. What it forks belongs to the test's
process, which has declared itself the reaper of orphans, so that exit statuses come out there.
"""

import json
import os
import signal
import sys
from collections.abc import Mapping
from typing import Any


def main() -> None:
    import hotswapd.daemon.service.service  # noqa: F401 - with torch, transformers and all

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.stdout.write("imported\n")
    sys.stdout.flush()
    for line in sys.stdin:
        asked = json.loads(line)
        reader, writer = os.pipe()
        between = os.fork()
        if between == 0:
            child = os.fork()
            if child == 0:
                os.close(reader)
                _become(asked)
            os.write(writer, str(child).encode())
            os._exit(0)
        os.close(writer)
        os.waitpid(between, 0)
        sys.stdout.write(os.read(reader, 64).decode() + "\n")
        sys.stdout.flush()
        os.close(reader)


def _become(asked: Mapping[str, Any]) -> None:
    """Be the program that was asked for, with its own session, environment, output and working directory."""
    os.setsid()
    os.environ.clear()
    os.environ.update(asked["environ"])
    os.chdir(asked["directory"])
    if asked["uid"] is not None:
        os.geteuid = lambda: int(asked["uid"])
    log = os.open(asked["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for number in (1, 2):
        os.dup2(log, number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    from hotswapd.daemon.cli import main as program

    status = 1
    try:
        status = program(asked["argv"])
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    main()
