"""The commands that change what a running daemon does."""

import os
import sys
from argparse import Namespace
from typing import Any

from .client import Client
from .commands_talk import talk


def submit(arguments: Namespace) -> int:
    """Put an adapter on the queue. A plain path, also a relative one, is taken as one on this machine."""
    uri = arguments.uri if "://" in arguments.uri else os.path.abspath(arguments.uri)  # noqa: PTH100 - links stay
    return _post(arguments, "/submit", {"uri": uri, "again": arguments.again})


def rollback(arguments: Namespace) -> int:
    """Make a kept generation live."""
    return _post(arguments, "/rollback", {"generation": arguments.generation, "follow": arguments.follow})


def pin(arguments: Namespace) -> int:
    """Keep what is live."""
    return _post(arguments, "/pin", {"generation": arguments.generation})


def unpin(arguments: Namespace) -> int:
    """Let new adapters go live again."""
    return _post(arguments, "/unpin", {})


def pause(arguments: Namespace) -> int:
    """Take nothing from the queue."""
    return _post(arguments, "/pause", {})


def resume(arguments: Namespace) -> int:
    """Take from the queue again."""
    return _post(arguments, "/resume", {})


def _post(arguments: Namespace, path: str, fields: dict[str, Any]) -> int:
    def say(client: Client) -> None:
        answer = client.post(path, fields)
        parts = [f"{key} {value}" for key, value in answer.items() if value is not None]
        sys.stdout.write(f"{path.removeprefix('/')}: {', '.join(parts) or 'done'}\n")

    return talk(arguments, say)
