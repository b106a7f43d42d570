"""``hotswapd status`` and ``hotswapd history``."""

import json
import sys
import time
from argparse import Namespace
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from hotswapd.daemon.control.client import Client, NoDaemon
from hotswapd.daemon.ledger.channel import DEFAULT

from .talk import talk

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType

_EVERY = 1.0


def status(arguments: Namespace) -> int:
    """Show what is live, queued and watched."""
    if arguments.watch:
        watch = _watch_json if arguments.json else _watch_page
        return talk(arguments, partial(watch, path=of_channel("/status", arguments.channel)))
    path = of_channel("/status", arguments.channel)
    return talk(arguments, lambda client: show_answer(client.get(path), arguments.json, _status_page))


def of_channel(path: str, channel: str) -> str:
    """Return the path of a question about one channel; without a channel the answer is about the default one."""
    return path if channel == DEFAULT else f"{path}{'&' if '?' in path else '?'}channel={quote(channel, safe='')}"


def history(arguments: Namespace) -> int:
    """List the swaps or the operators' actions, newest first."""
    if arguments.actions:
        return talk(arguments, lambda client: show_answer(_actions(client, arguments.n), arguments.json, _actions_page))
    page = partial(_history_page, every=arguments.verify)
    path = f"/history?limit={arguments.n}&channel={quote(arguments.channel, safe='')}"
    return talk(arguments, lambda client: show_answer(client.get(path), arguments.json, page))


# Laying out a page imports rich, which takes longer than the answer, so it waits until there is a page to lay out.


def _status_page(answer: Any) -> "RenderableType":
    from hotswapd.daemon.terminal.status import status_page

    return status_page(answer)


def _actions_page(answer: Any) -> "RenderableType":
    from hotswapd.daemon.terminal.history import actions_page

    return actions_page(answer)


def _history_page(answer: Any, *, every: bool) -> "RenderableType":
    from hotswapd.daemon.terminal.history import history_page

    return history_page(answer, verify=every)


def _actions(client: Client, limit: int) -> list[dict[str, Any]]:
    """Ask who did what, and add `who`: the user's name, which this machine's user database has."""
    actions: list[dict[str, Any]] = client.get(f"/actions?limit={limit}")
    return [one | {"who": _who(one)} for one in actions]


def _who(action: dict[str, Any]) -> str:
    uid = action.get("uid")
    if uid is None:
        return "hotswapd itself"
    from hotswapd.daemon.host.users import user_name

    return f"{user_name(uid)} (process {action.get('pid')})"


def show_answer(answer: Any, as_json: bool, lay_out: "Callable[[Any], RenderableType]") -> None:
    """Print an answer as JSON, or as a page."""
    if as_json:
        sys.stdout.write(json.dumps(answer, indent=2) + "\n")
        return
    from hotswapd.daemon.terminal.words import show

    show(lay_out(answer))


def _watch_page(client: Client, path: str) -> None:
    """Show the status again every second, and wait for a daemon that restarts meanwhile."""
    from rich.live import Live

    from hotswapd.daemon.terminal.status import lost_page, status_page

    last = status_page(client.get(path))
    with suppress(KeyboardInterrupt), Live(last, auto_refresh=False, screen=sys.stdout.isatty()) as live:
        while True:
            time.sleep(_EVERY)
            try:
                shown = last = status_page(client.get(path))
            except NoDaemon as error:
                shown = lost_page(last, str(error))
            live.update(shown, refresh=True)


def _watch_json(client: Client, path: str) -> None:
    """Print one line of JSON every second, for programs."""
    with suppress(KeyboardInterrupt):
        while True:
            sys.stdout.write(json.dumps(client.get(path)) + "\n")
            sys.stdout.flush()
            time.sleep(_EVERY)
