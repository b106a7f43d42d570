"""What all commands that talk to a running daemon have in common."""

import os
import sys
from argparse import Namespace
from collections.abc import Callable

from .client import Client, NoDaemon, Refused, socket_path
from .exits import Exit


def talk(arguments: Namespace, say: Callable[[Client], None]) -> int:
    """Run `say` with the daemon's client; print a sentence and return its exit code when that fails."""
    try:
        say(Client(socket_path(arguments.socket, arguments.config, os.environ)))
    except NoDaemon as error:
        return complain(str(error), Exit.UNAVAILABLE)
    except Refused as error:
        return complain(str(error), _exit_code(error))
    return Exit.FINE


def complain(sentence: str, code: Exit) -> Exit:
    """Print a sentence on standard error; a name in it could hold a terminal's control codes."""
    shown = "".join(letter if letter.isprintable() or letter == "\n" else "\ufffd" for letter in sentence)
    sys.stderr.write(f"hotswapd: {shown}\n")
    return code


def _exit_code(error: Refused) -> Exit:
    if error.status >= 500:
        return Exit.UNAVAILABLE
    return Exit.USAGE if error.status == 400 else Exit.REJECTED
