"""The command line. A command's code is imported only when that command runs."""

import sys
from collections.abc import Sequence

from .commands.parser import Command, make_parser
from .host.exits import Exit


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = make_parser().parse_args(argv)
    command: Command = arguments.command
    try:
        return int(command(arguments))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stdout = None  # whoever read our output has gone; flushing it at exit would fail again
        return Exit.FINE


if __name__ == "__main__":
    sys.exit(main())
