"""What ``GET /status`` says of every channel, those that need a look first."""

from collections.abc import Iterable, Mapping

from hotswapd.daemon.answers import ChannelStatus
from hotswapd.daemon.ledger.ledger import Ledger

from .part import Shown


def channels_status(shown: Iterable[Shown], ledger: Ledger, waiting: Mapping[str, int]) -> list[ChannelStatus]:
    """Describe channels; `waiting` counts what may still go live in each. Raises LedgerDown."""
    pinned, paused, refused = ledger.flags.holding("pinned"), ledger.flags.holding("paused"), ledger.channels.refused()
    found: list[ChannelStatus] = [
        {
            "name": one.name,
            "live": one.live.live(),
            "pinned": one.name in pinned,
            "paused": one.name in paused,
            "rollout": one.rollout,
            "waiting": waiting.get(one.name, 0),
            "refused": refused.get(one.name),
        }
        for one in shown
    ]
    return sorted(found, key=attention)


def attention(one: ChannelStatus) -> tuple[bool, bool, bool, bool, str]:
    """Return what sorts channels: a refusal first, then a rollout, a hold, what waits, and at last the name."""
    held = one["pinned"] or one["paused"]
    return (one["refused"] is None, one["rollout"] is None, not held, not one["waiting"], one["name"])
