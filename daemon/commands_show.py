"""``hotswapd status`` and ``hotswapd history``."""

import json
import sys
import time
from argparse import Namespace
from contextlib import suppress
from typing import Any

from .client import Client, NoDaemon
from .commands_talk import talk

_EVERY = 1.0


def status(arguments: Namespace) -> int:
    """Show what is live, queued and watched."""
    if arguments.watch:
        return talk(arguments, _watch_json if arguments.json else _watch_page)
    return talk(arguments, lambda client: _show("status_page", client.get("/status"), arguments.json))


def history(arguments: Namespace) -> int:
    """List the swaps, newest first, or what operators asked for."""
    if arguments.actions:
        return talk(arguments, lambda client: _show("actions_page", _actions(client, arguments.n), arguments.json))
    path = f"/history?limit={arguments.n}"
    return talk(
        arguments, lambda client: _show("history_page", client.get(path), arguments.json, verify=arguments.verify)
    )


def _actions(client: Client, limit: int) -> list[dict[str, Any]]:
    """Ask who did what; `who` names the user, which only this machine's user database can."""
    actions: list[dict[str, Any]] = client.get(f"/actions?limit={limit}")
    return [one | {"who": _who(one)} for one in actions]


def _who(action: dict[str, Any]) -> str:
    uid = action.get("uid")
    if uid is None:
        return "hotswapd itself"
    import pwd

    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = f"user {uid}"
    return f"{name} (process {action.get('pid')})"


def _show(page: str, answer: Any, as_json: bool, **how: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(answer, indent=2) + "\n")
        return
    from . import pages

    pages.show(getattr(pages, page)(answer, **how))


def _watch_page(client: Client) -> None:
    """Show the status anew each second; a daemon that restarts meanwhile is waited for."""
    from rich.live import Live

    from .pages import lost_page, status_page

    last = status_page(client.get("/status"))
    with suppress(KeyboardInterrupt), Live(last, auto_refresh=False, screen=sys.stdout.isatty()) as live:
        while True:
            time.sleep(_EVERY)
            try:
                shown = last = status_page(client.get("/status"))
            except NoDaemon as error:
                shown = lost_page(last, str(error))
            live.update(shown, refresh=True)


def _watch_json(client: Client) -> None:
    """Print one line of JSON a second, for programs."""
    with suppress(KeyboardInterrupt):
        while True:
            sys.stdout.write(json.dumps(client.get("/status")) + "\n")
            sys.stdout.flush()
            time.sleep(_EVERY)
