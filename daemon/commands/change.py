"""The commands that change what a running daemon does."""

import os
import sys
from argparse import Namespace
from typing import Any

from hotswapd.daemon.control.client import Client
from hotswapd.daemon.ledger.channel import DEFAULT

from .talk import talk


def submit(arguments: Namespace) -> int:
    """Put an adapter on the queue. A plain path, even a relative one, is a path on this machine."""
    uri = arguments.uri if "://" in arguments.uri else os.path.abspath(arguments.uri)  # noqa: PTH100 - links stay
    return post(arguments, "/submit", {"uri": uri, "again": arguments.again})


def rollback(arguments: Namespace) -> int:
    """Make a kept generation live."""
    return post(arguments, "/rollback", {"generation": arguments.generation, "follow": arguments.follow})


def pin(arguments: Namespace) -> int:
    """Keep what is live."""
    return post(arguments, "/pin", {"generation": arguments.generation})


def unpin(arguments: Namespace) -> int:
    """Let new adapters go live again."""
    return post(arguments, "/unpin", {})


def pause(arguments: Namespace) -> int:
    """Take nothing from the queue."""
    return post(arguments, "/pause", {})


def resume(arguments: Namespace) -> int:
    """Take from the queue again."""
    return post(arguments, "/resume", {})


def post(arguments: Namespace, path: str, fields: dict[str, Any]) -> int:
    """Ask for a change in a channel, and print the daemon's answer in one line."""
    return post_fields(arguments, path, fields | in_channel(arguments))


def post_fields(arguments: Namespace, path: str, fields: dict[str, Any]) -> int:
    """Ask for a change, and print the daemon's answer in one line."""

    def act(client: Client) -> None:
        answer = client.post(path, fields)
        parts = [f"{key} {value}" for key, value in answer.items() if value is not None]
        sys.stdout.write(f"{path.removeprefix('/')}: {', '.join(parts) or 'done'}\n")

    return talk(arguments, act)


def in_channel(arguments: Namespace) -> dict[str, str]:
    """Return the field that names a channel; a daemon that has no channels is not bothered with the default one."""
    return {} if arguments.channel == DEFAULT else {"channel": arguments.channel}
