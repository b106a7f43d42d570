"""One base in three shapes that share its weights: transformers' own, and engines without slots and with them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from hotswapd.daemon import demo
from hotswapd.daemon.bench.peft_ways import twin
from hotswapd.daemon.bench.presets import DEMO
from hotswapd.daemon.bench.scene import Scene
from hotswapd.swap.adapter.contract import Contract
from hotswapd.swap.adapter.oracle import MetaOracle
from hotswapd.swap.berths.image import Image
from hotswapd.swap.engine import Engine
from hotswapd.swap.resident.base import base_config, load_base
from hotswapd.swap.resident.resident import DTYPE_NAMES, Resident
from hotswapd.swap.rows.spec import EngineSpec

from .crowd import Crowd

MOST = 16
"""Requests at once, at most."""
FULL = 5
"""The generation with rank 16 (or the largest) on all linear modules; 1 to 4 are those that are mixed, 0 the base."""
_BERTHS = 6
_FULL_RANK = 16
_DEMO = ("pirate", "german", "json", "pirate")


@dataclass(frozen=True, slots=True)
class House:
    """All of them, warm; `engine` answers each of the generations 0 to 5, and 1 is live."""

    scene: Scene
    plain: Any
    without: Engine
    engine: Engine
    images: tuple[Image, ...]
    crowd: Crowd


def mixed_adapters(scene: Scene) -> tuple[Path, ...]:
    """Return four adapters: the demo's three and one of them again, in a berth of its own; else random ones."""
    if scene.preset.name == DEMO.name:
        return tuple(Path(demo.__path__[0]) / "adapters" / name for name in _DEMO)
    return tuple(scene.adapter(min(scene.preset.ranks), number) for number in range(4))


@contextmanager
def house(scene: Scene, dtype: str) -> Iterator[House]:
    """Load the base once in this dtype, and open both engines."""
    spec = scene.spec(dtype=dtype, berths=_BERTHS)
    config = base_config(scene.base)
    base, oracle = load_base(spec, config), MetaOracle(config)
    plain, bare = twin(base.model), twin(base.model)
    contract = Contract(("*",), oracle.slots, scene.rank, DTYPE_NAMES[base.dtype])
    resident = Resident(base, contract, oracle, berths=_BERTHS)
    without = Engine(_without_slots(replace(base, model=bare), contract, oracle), _sizes(scene))
    engine = Engine(resident, _sizes(scene))
    without.open()
    engine.open()
    try:
        images = tuple(_stage(resident, adapter) for adapter in _adapters(scene))
        for number, image in enumerate(images, start=1):
            engine.rows.open(image, number)
            resident.drop(image)
        engine.route(images[0], 1)
        engine.rows.open(resident.base_image, 0)
        yield House(scene, plain, without, engine, images, _crowd(scene, config))
    finally:
        for one in (engine, without):
            one.close(60.0)
            one.resident.close()


def sizes(scene: Scene, tokens: int, context: int) -> EngineSpec:
    """Return sizes for a cache of so many tokens."""
    spec = EngineSpec(context_tokens=context, cache_tokens=tokens, batch_tokens=512)
    return replace(spec, compile=False) if scene.preset.eager else spec


def _sizes(scene: Scene) -> EngineSpec:
    context = scene.preset.prompt + scene.preset.tokens
    return sizes(scene, 2 * MOST * context, context)


def _crowd(scene: Scene, config: Any) -> Crowd:
    return Crowd(int(config.get_text_config().vocab_size), scene.preset.prompt, scene.preset.tokens)


def _adapters(scene: Scene) -> tuple[Path, ...]:
    return (*mixed_adapters(scene), scene.adapter(min(_FULL_RANK, scene.rank), FULL))


def _stage(resident: Resident, adapter: Path) -> Image:
    return resident.stage(resident.admit(adapter))


def _without_slots(base: Any, contract: Contract, oracle: MetaOracle) -> Resident:
    """Make a resident and give each module its own forward back: what remains is the loop on the bare model."""
    resident = Resident(base, contract, oracle, berths=1)
    for slot in contract.slots:
        module: torch.nn.Module = base.model.get_submodule(slot.module)
        module.__dict__.pop("forward")
    return resident
