"""Many channels: by Zipf's law on few berths, sixteen in one batch, and all of them retrained in one night."""

from hotswapd.daemon.bench.channels.batch import in_one_batch
from hotswapd.daemon.bench.channels.berthed import MOST
from hotswapd.daemon.bench.channels.night import retrained
from hotswapd.daemon.bench.channels.zipf import by_zipf
from hotswapd.daemon.bench.samples import Findings
from hotswapd.daemon.bench.scene import Scene
from hotswapd.swap.resident.base import base_config, load_base

DTYPES = ("float32", "bfloat16")


def measure(scene: Scene) -> Findings:
    """Compare a batch in both dtypes; the rest in float32, where every answer is exact."""
    found = Findings()
    rank = min(scene.preset.ranks)
    adapters = [scene.adapter(rank, number) for number in range(max(MOST, scene.preset.channels))]
    for dtype in DTYPES:
        base = load_base(scene.spec(dtype=dtype, max_rank=rank), base_config(scene.base))
        in_one_batch(scene, base, adapters, found, dtype)
        if dtype == "float32":
            by_zipf(scene, base, adapters, found)
    retrained(scene, adapters, found)
    return found
