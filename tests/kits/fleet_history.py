"""What clients of the simulator were told, held against what must never be."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hotswapd.daemon.ledger.generation import BASE_DIGEST

if TYPE_CHECKING:
    from kits.fleet_world import World
    from kits.world_ingress import Told


def check_history(world: "World") -> None:
    """Hold what was told against what must never be."""
    generations = {(0, BASE_DIGEST)} | {one for pointer in world.disk.written for one in pointer.answering().items()}
    answered = sorted((one for one in world.history if one.first), key=lambda one: one.first)
    for one in answered:
        assert (one.tag.number, one.tag.digest) in generations, "an answer names what was never live"
        assert one.tag.digest not in world.vetoed, "a vetoed adapter was served"
        assert "all" not in world.bad.get(one.tag.digest, ()), "a bad adapter was served"
    _check_order(answered)
    by_number = dict(sorted(generations))
    assert len(by_number) == len(generations), "one number was given to two adapters"


def _check_order(answered: "Sequence[Told]") -> None:
    """Nobody whose request began after an answer by a newer generation is answered by an older one."""
    newest: dict[str, int] = {}
    moments = sorted(
        [(one.begun, 0, one) for one in answered] + [(one.first, 1, one) for one in answered], key=lambda it: it[:2]
    )
    for _, answers, one in moments:
        seen = newest.get(one.tag.channel, 0)
        if not answers:
            assert one.tag.serial >= seen, "an older generation answered after a newer one"
        else:
            newest[one.tag.channel] = max(seen, one.tag.serial)
