"""One batch with sixteen channels in it against one with a single channel, for as many requests."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hotswapd.daemon.bench.mixing.crowd import Crowd
from hotswapd.daemon.bench.mixing.ratios import Promise, Way, compare
from hotswapd.daemon.bench.samples import Findings
from hotswapd.daemon.bench.scene import Scene
from hotswapd.swap.engine import Engine

from .berthed import MOST, berthed

_LEAST = {"cpu": 0.8}
"""What sixteen must give of one, by device; elsewhere 0.9."""


def in_one_batch(scene: Scene, base: Any, adapters: Sequence[Path], found: Findings) -> None:
    """Compare one, four and sixteen channels in a batch of sixteen requests, each with an adapter on all modules."""
    with berthed(scene, base, adapters[:MOST], MOST + 1) as opened:
        engine = opened.engine
        vocabulary = int(base.model.config.get_text_config().vocab_size)
        crowd = Crowd(vocabulary, scene.preset.prompt, scene.preset.tokens)
        names = {"one": 1, "four": 4, "sixteen": MOST}
        ways = {name: _way(crowd, engine, count) for name, count in names.items()}
        least = _LEAST.get(scene.device.type, 0.9)
        sentence = f"a batch with {MOST} channels gives at least {least:.0%} of the tokens of one with a single channel"
        promises = (Promise("sixteen", "one", least, sentence),)
        dtype = str(base.dtype).removeprefix("torch.")
        compare(found, f"channels.{dtype}.batch", ways, promises, scene.preset.rounds)


def _way(crowd: Crowd, engine: Engine, count: int) -> Way:
    return lambda: crowd.answer(engine, [1 + number % count for number in range(MOST)])
