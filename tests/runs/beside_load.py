"""``make busy``: tests beside four busy loops, as on a machine with other work. Every argument goes to pytest."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_LOOPS = 4


@contextmanager
def busy(loops: int = _LOOPS) -> Iterator[None]:
    """Keep so many processes busy while the body runs; they end with this process too, however it ends."""
    spin = "import os\nparent = os.getppid()\nwhile os.getppid() == parent:\n    sum(range(1_000_000))"
    started = [subprocess.Popen([sys.executable, "-c", spin]) for _ in range(loops)]
    try:
        yield
    finally:
        for one in started:
            one.kill()
            one.wait()


def main() -> int:
    with busy():
        return subprocess.call([sys.executable, "-P", "-m", "pytest", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
