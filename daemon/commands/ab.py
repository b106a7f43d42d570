"""``hotswapd ab``: two generations side by side until an operator decides."""

import json
import sys
from argparse import Namespace

from hotswapd.daemon.control.client import Client
from hotswapd.daemon.terminal.rollout import side_by_side

from .change import post
from .status import of_channel
from .talk import talk


def start(arguments: Namespace) -> int:
    """Put a kept generation beside the live one."""
    return post(arguments, "/ab/start", {"generation": arguments.generation, "weight": arguments.weight})


def promote(arguments: Namespace) -> int:
    """Make the generation beside the live one live."""
    return post(arguments, "/ab/promote", {})


def stop(arguments: Namespace) -> int:
    """Stop serving the generation beside the live one."""
    return post(arguments, "/ab/stop", {})


def status(arguments: Namespace) -> int:
    """Show both arms side by side."""

    def act(client: Client) -> None:
        now = client.get(of_channel("/status", arguments.channel)).get("rollout")
        sys.stdout.write((json.dumps(now, indent=2) if arguments.json else side_by_side(now)) + "\n")

    return talk(arguments, act)
