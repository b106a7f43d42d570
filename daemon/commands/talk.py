"""What every command that talks to a running daemon does: connect, and turn a failure into an exit code."""

import os
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

from hotswapd.daemon.control.client import Client, NoDaemon, Refused, told_socket
from hotswapd.daemon.control.finding import Several, find
from hotswapd.daemon.control.remote import BadUrl, FleetClient, read_key
from hotswapd.daemon.host.exits import Exit
from hotswapd.daemon.terminal.complaint import complain


def talk(arguments: Namespace, act: Callable[[Client], None]) -> int:
    """Call `act` with the daemon's client. If that fails, print a sentence and return its exit code."""
    try:
        act(_client(arguments))
    except (Several, BadUrl) as error:
        return complain(str(error), Exit.USAGE)
    except NoDaemon as error:
        return complain(str(error), Exit.UNAVAILABLE)
    except Refused as error:
        return complain(str(error), _exit_code(error))
    return Exit.FINE


def _client(arguments: Namespace) -> Client:
    """Return the client of the daemon or the fleet that is meant."""
    if arguments.url:
        return FleetClient(arguments.url, read_key(arguments.key_file))
    return Client(_socket(arguments))


def _socket(arguments: Namespace) -> Path:
    """Return the socket that was named, or find the daemon and write to standard error which one that is."""
    told = None if arguments.name else told_socket(arguments.socket, arguments.config, os.environ)
    if told is not None:
        return told
    found = find(arguments.name, os.environ, os.geteuid())
    sys.stderr.write(f"hotswapd: talking to the daemon {found.name} on {found.socket}\n")
    return found.socket


def _exit_code(error: Refused) -> Exit:
    if error.status >= 500:
        return Exit.UNAVAILABLE
    return Exit.USAGE if error.status == 400 else Exit.REJECTED
