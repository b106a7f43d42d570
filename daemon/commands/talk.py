"""What every command that talks to a running daemon does: connect, and turn a failure into an exit code."""

import os
from argparse import Namespace
from collections.abc import Callable

from hotswapd.daemon.control.client import Client, NoDaemon, Refused, socket_path
from hotswapd.daemon.host.exits import Exit
from hotswapd.daemon.terminal.complaint import complain


def talk(arguments: Namespace, act: Callable[[Client], None]) -> int:
    """Call `act` with the daemon's client. If that fails, print a sentence and return its exit code."""
    try:
        act(Client(socket_path(arguments.socket, arguments.config, os.environ)))
    except NoDaemon as error:
        return complain(str(error), Exit.UNAVAILABLE)
    except Refused as error:
        return complain(str(error), _exit_code(error))
    return Exit.FINE


def _exit_code(error: Refused) -> Exit:
    if error.status >= 500:
        return Exit.UNAVAILABLE
    return Exit.USAGE if error.status == 400 else Exit.REJECTED
