"""Many channels: sixteen in one batch, and by Zipf's law on few berths."""

from hotswapd.daemon.bench.channels.batch import in_one_batch
from hotswapd.daemon.bench.channels.berthed import MOST
from hotswapd.daemon.bench.channels.zipf import by_zipf
from hotswapd.daemon.bench.samples import Findings
from hotswapd.daemon.bench.scene import Scene
from hotswapd.swap.resident.base import base_config, load_base


def measure(scene: Scene) -> Findings:
    """Measure both in the dtype in which the base is served here."""
    found, rank = Findings(), min(scene.preset.ranks)
    adapters = [scene.adapter(rank, number) for number in range(max(MOST, scene.preset.channels))]
    base = load_base(scene.spec(max_rank=rank), base_config(scene.base))
    in_one_batch(scene, base, adapters, found)
    by_zipf(scene, base, adapters, found)
    return found
