"""The resident: one base model with its slots, and the adapter that it answers with."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from hotswapd.swap.adapter.admission import Plan, admit
from hotswapd.swap.adapter.base_names import Names
from hotswapd.swap.adapter.contract import Contract
from hotswapd.swap.adapter.manifest import read_manifest
from hotswapd.swap.adapter.oracle import MetaOracle
from hotswapd.swap.adapter.slots import require_slots
from hotswapd.swap.arena.arena import SlotArena
from hotswapd.swap.arena.extents import Extents
from hotswapd.swap.arena.filling import fill_host_image
from hotswapd.swap.arena.image import Image
from hotswapd.swap.arena.pace import Pace
from hotswapd.swap.arena.pool import ImagePool
from hotswapd.swap.arena.writing import ArenaWriter
from hotswapd.swap.failures import Contained

from .base import Base, Report, ResidentSpec, load_base
from .compilation import CompileCounter
from .outline import outline
from .sanity import check_base, judge, probe_prompts, run_bare, run_probe

DTYPE_NAMES = {torch.float32: "float32", torch.float16: "float16", torch.bfloat16: "bfloat16"}

Seat = Callable[[Image], None]
"""Binds an image to the place that new requests go to, and raises when there is none: `Lanes.go_live`."""

_HELPERS = 3
"""Threads that help with staging at most."""
_WORTH_HELPERS = 256 << 10
"""Bytes a tensor from which they help; with smaller ones they wait for the interpreter lock."""


def _nowhere(image: Image) -> None:
    """Bind it to nothing: whoever takes a turn names its image."""


class Resident:
    """A base model that answers with the adapter whose image is in its arena.

    `admit`, `stage`, `verify`, `commit` and `drop` are for one thread, the worker; `turn`, `visit`, `pulse`, `hold` and
    `release` are legal from any. All writes to the arena go through its writer, each in a turn.
    """

    def __init__(
        self,
        base: Base,
        contract: Contract,
        oracle: MetaOracle,
        images: int,
        on_compile: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_compile` is called when a compilation begins, see `CompileCounter`."""
        self.model: Any = base.model
        self.tokenizer = base.tokenizer
        self.device, self.dtype = base.device, base.dtype
        self.contract = contract
        self.oracle = oracle
        self.arena = SlotArena(base.model, contract, base.dtype, base.device)
        self.pool = ImagePool(self.arena.layout.size, images, base.device)
        self.base_image = Image(torch.zeros_like(self.arena.buffer), digest="0" * 64, generation=0, holders=1, ranks={})
        self.live = self.base_image
        self.writer = ArenaWriter(self.arena, self.base_image)
        self.compilations = CompileCounter(on_compile)
        self._warm_at = 0
        self._pinned = _pinned(self.arena.layout.size) if base.device.type == "cuda" else None
        self._pinned_extents = Extents(zero=True)
        self._helpers = min(_HELPERS, torch.get_num_threads() - 1)
        self._prompts = probe_prompts(base.tokenizer, self.model.config.get_text_config().vocab_size)
        self._usual = run_bare(self.model, self._prompts)
        check_base(self._usual, contract.dtype)

    @classmethod
    def open(
        cls, spec: ResidentSpec, report: Report = lambda _: None, on_compile: Callable[[], None] = lambda: None
    ) -> "Resident":
        """Load the base, make its slots and its arena. Raises BaseUnusable, NoSlots or DeviceMissing.

        Legal while no other thread loads a model: transformers and PEFT replace methods for all meanwhile.
        """
        began = time.monotonic()
        report(f"reading the configuration of {spec.base}")
        config, oracle = outline(spec)
        require_slots(oracle.slots, spec.target_modules, oracle.linear)
        report(f"loading the base model {spec.base}")
        base = load_base(spec, config)
        contract = Contract(
            base_models=(spec.base, *spec.base_models),
            slots=oracle.slots,
            max_rank=spec.max_rank,
            dtype=DTYPE_NAMES[base.dtype],
            revision=spec.revision,
            names=spec.base_names,
        )
        report(f"making {len(oracle.slots)} slots of rank {spec.max_rank} in the arena")
        resident = cls(base, contract, oracle, spec.images, on_compile)
        report(f"the base model is resident on {base.device} after {time.monotonic() - began:.1f} s")
        return resident

    @property
    def recompiles(self) -> int:
        """Compilations since the resident was warm; must stay 0."""
        return self.compilations.count - self._warm_at

    def mark_warm(self) -> None:
        """Count compilations from now on as recompilations."""
        self._warm_at = self.compilations.count

    def accept_bases(self, names: tuple[str, ...], how: Names) -> None:
        """Admit adapters that name one of these as their base, from now on; ``*`` is any."""
        self.contract = replace(self.contract, base_models=names, names=how)

    def admit(self, directory: Path) -> Plan:
        """Check what an artifact declares against the contract. Raises Rejected or OSError; touches nothing."""
        return admit(read_manifest(directory), self.contract, self.oracle)

    def stage(self, plan: Plan, digest: str = "", pace: Pace | None = None) -> Image:
        """Lay the adapter out on the device, in a free image that the caller holds. Raises Rejected, NoImage, OSError.

        On a CPU it is laid out where it stays; otherwise it goes through pinned memory, and this returns after the copy
        has arrived: nothing else would order it before the first turn's read. `pace` is told of each slot, see `Pace`.
        """
        image = self.pool.take(digest)
        try:
            with Contained():
                if self._pinned is None:
                    self._fill(image.buffer, plan, pace, image.extents)
                else:
                    self._fill(self._pinned, plan, pace, self._pinned_extents)
                    self.writer.upload(image, self._pinned)
        except BaseException:
            self.pool.release(image)
            raise
        image.ranks = {one.slot.module: one.rank for one in plan.placements}
        return image

    def _fill(self, host: torch.Tensor, plan: Plan, pace: Pace | None, extents: Extents) -> None:
        large = plan.manifest.file_size > _WORTH_HELPERS * len(plan.manifest.tensors)
        helpers = self._helpers if large else 0
        fill_host_image(host, plan, self.arena.layout, pace, extents, helpers)

    def verify(self, image: Image) -> dict[str, float]:
        """Run the probe on the candidate, one turn a prompt. Raises RolledBack; the arena is as before either way."""
        numbers = []
        for prompt in self._prompts:
            with Contained(), self.visit(image):
                numbers.append(run_probe(self.model, prompt))
        return judge(numbers, self._usual)

    def commit(self, image: Image, generation: int, seat: Seat = _nowhere) -> float:
        """Make a verified image live, and return the seconds in which no step could run because of it.

        `seat` binds the image to where new requests go. Raises what `seat` raises, and what `changing` does.
        """
        with self.changing(image, generation) as pause:
            seat(image)
        return pause

    @contextmanager
    def changing(self, image: Image, generation: int) -> Iterator[float]:
        """Copy a verified image into the arena; it is live when the body ends.

        Yields the seconds in which no step could run because of the copy. The body makes the change durable and binds
        the image to where new requests go; when it raises, what was live is live again before the error leaves. Raises
        ResidentLost when a copy fails and cannot be taken back.
        """
        before = self.live
        with Contained():
            pause = self.writer.put(image)
        numbered, image.generation = image.generation, generation
        try:
            yield pause
        except BaseException:
            image.generation = numbered
            self.writer.put_back(before)
            raise
        self.hold(image)
        self.live = image
        self.release(before)

    def swap(self, directory: Path, generation: int, digest: str = "", seat: Seat = _nowhere) -> Image:
        """Admit, stage, verify and commit an artifact. Raises Rejected or RolledBack; what was live is live then."""
        image = self.stage(self.admit(directory), digest)
        try:
            self.verify(image)
            self.commit(image, generation, seat)
        finally:
            self.drop(image)
        return image

    def drop(self, image: Image) -> None:
        """Give up the hold that `stage` gave."""
        self.release(image)

    def turn(self, image: Image) -> AbstractContextManager[None]:
        """Hold the right to run the model, with this image in the arena; first asked, first served."""
        return self.writer.turn(image)

    def visit(self, image: Image) -> AbstractContextManager[None]:
        """Take a turn that leaves the arena as it found it."""
        return self.writer.visit(image)

    def pulse(self) -> None:
        """Wait for a turn and pass it on: this returns as long as no step hangs in the device."""
        self.writer.pulse()

    def hold(self, image: Image) -> None:
        """Count one more who needs the image, so that its buffer is not used again."""
        self.pool.hold(image)

    def release(self, image: Image) -> None:
        """Count one less who needs it."""
        self.pool.release(image)

    def close(self) -> None:
        """Stop counting compilations; the model's memory goes with the object."""
        self.compilations.close()


def _pinned(size: int) -> torch.Tensor:
    return torch.zeros(size, dtype=torch.uint8, pin_memory=True)
