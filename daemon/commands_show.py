"""``hotswapd status`` and ``hotswapd history``."""

import json
import sys
import time
from argparse import Namespace
from contextlib import suppress
from typing import Any

from .client import Client
from .commands_talk import talk

_EVERY = 1.0


def status(arguments: Namespace) -> int:
    """Show what is live, queued and watched."""
    if arguments.watch:
        return talk(arguments, _watch_json if arguments.json else _watch_page)
    return talk(arguments, lambda client: _show("status_page", client.get("/status"), arguments.json))


def history(arguments: Namespace) -> int:
    """List the swaps, newest first."""
    path = f"/history?limit={arguments.n}"
    return talk(arguments, lambda client: _show("history_page", client.get(path), arguments.json))


def _show(page: str, answer: Any, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(answer, indent=2) + "\n")
        return
    from . import pages

    pages.show(getattr(pages, page)(answer))


def _watch_page(client: Client) -> None:
    from rich.live import Live

    from .pages import status_page

    with suppress(KeyboardInterrupt), Live(status_page(client.get("/status")), auto_refresh=False) as live:
        while True:
            time.sleep(_EVERY)
            live.update(status_page(client.get("/status")), refresh=True)


def _watch_json(client: Client) -> None:
    """Print one line of JSON a second, for programs."""
    with suppress(KeyboardInterrupt):
        while True:
            sys.stdout.write(json.dumps(client.get("/status")) + "\n")
            sys.stdout.flush()
            time.sleep(_EVERY)
