"""Every channel retrained in one night, through a real daemon."""

from hotswapd.daemon.bench.channels.night import retrained
from hotswapd.daemon.bench.samples import Findings
from hotswapd.daemon.bench.scene import Scene


def measure(scene: Scene) -> Findings:
    """Bring every channel a new adapter, and count how many go live per minute."""
    found, rank = Findings(), min(scene.preset.ranks)
    retrained(scene, [scene.adapter(rank, number) for number in range(scene.preset.channels)], found)
    return found
