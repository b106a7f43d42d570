"""``hotswapd channel``: list, show and remove channels."""

from argparse import Namespace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from hotswapd.daemon.control.client import Client

from .change import post_fields
from .status import show_answer
from .talk import talk

if TYPE_CHECKING:
    from rich.console import RenderableType

_SWAPS = 8


def listed(arguments: Namespace) -> int:
    """List every channel whose name contains a text, those that need a look first."""

    def act(client: Client) -> None:
        found = [one for one in client.get("/status").get("channels", ()) if arguments.search in one["name"]]
        show_answer(found, arguments.json, _list_page)

    return talk(arguments, act)


def show(arguments: Namespace) -> int:
    """Show one channel and its last swaps."""

    def act(client: Client) -> None:
        channel = quote(arguments.channel, safe="")
        (found,) = client.get(f"/status?channel={channel}")["channels"]
        swaps = client.get(f"/history?limit={_SWAPS}&channel={channel}")
        show_answer(found | {"history": swaps}, arguments.json, _channel_page)

    return talk(arguments, act)


def remove(arguments: Namespace) -> int:
    """End a channel's requests and erase its adapters."""
    return post_fields(arguments, "/channel/remove", {"channel": arguments.channel, "purge": arguments.purge})


def _list_page(found: Any) -> "RenderableType":
    from hotswapd.daemon.terminal.channels import channels_page

    return channels_page(found)


def _channel_page(found: Any) -> "RenderableType":
    from hotswapd.daemon.terminal.channels import channel_page

    return channel_page(found)
