"""The command line. Each command's code is imported only when that command runs."""

import argparse
import importlib
import sys
from collections.abc import Callable, Sequence

from .commands.parser import make_parser
from .host.exits import Exit


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = make_parser().parse_args(argv)
    module = importlib.import_module(f"{__package__}.{arguments.module}")
    command: Callable[[argparse.Namespace], int] = getattr(module, arguments.function)
    try:
        return int(command(arguments))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stdout = None  # whoever read our output has had enough; flushing it at exit would fail again
        return Exit.FINE


if __name__ == "__main__":
    sys.exit(main())
