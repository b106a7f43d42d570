"""The resident: one base model with berths for adapters, and the right to run it."""

import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from hotswapd.swap.adapter.admission import Plan, admit
from hotswapd.swap.adapter.base_names import Names
from hotswapd.swap.adapter.contract import Contract
from hotswapd.swap.adapter.manifest import read_manifest
from hotswapd.swap.adapter.oracle import MetaOracle
from hotswapd.swap.adapter.slots import require_slots
from hotswapd.swap.berths.berths import Berths
from hotswapd.swap.berths.extents import Extents
from hotswapd.swap.berths.filling import fill_host_image
from hotswapd.swap.berths.image import Image
from hotswapd.swap.berths.layout import Layout
from hotswapd.swap.berths.low_rank import LowRank
from hotswapd.swap.berths.norms import base_norms, update_norms
from hotswapd.swap.berths.pace import Pace
from hotswapd.swap.failures import Contained
from hotswapd.swap.fair_lock import FairLock

from .base import Base, Report, load_base
from .compilation import CompileCounter
from .outline import outline
from .sanity import check_base, judge, probe_prompts, run_bare, run_probe
from .spec import ResidentSpec

DTYPE_NAMES = {torch.float32: "float32", torch.float16: "float16", torch.bfloat16: "bfloat16"}

_HELPERS = 3
"""Threads that help with staging at most."""
_WORTH_HELPERS = 256 << 10
"""Bytes a tensor from which they help; with smaller ones they wait for the interpreter lock."""


class Resident:
    """A base model, and berths in which adapters lie beside it.

    `admit`, `stage`, `verify` and `drop` are for one thread, the worker; `step`, `visit`, `pulse`, `hold` and `release`
    are legal from any. Whoever runs the model does so in a step: the loop, or a gate in between.
    """

    def __init__(
        self,
        base: Base,
        contract: Contract,
        oracle: MetaOracle,
        berths: int,
        on_compile: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_compile` is called when a compilation begins, see `CompileCounter`."""
        self.model: Any = base.model
        self.tokenizer = base.tokenizer
        self.device, self.dtype = base.device, base.dtype
        self.contract = contract
        self.oracle = oracle
        self.layout = Layout.of(contract, berth_dtype(base.dtype, base.device))
        self.berths = Berths(self.layout.size, berths, base.device)
        self.low_rank = LowRank(base.model, self.layout, self.berths.memory)
        self.model.requires_grad_(False)
        nothing = torch.zeros(0, dtype=torch.uint8, device=base.device)
        self.base_image = Image(nothing, digest="0" * 64, generation=0, holders=1, ranks={})
        self.compilations = CompileCounter(on_compile)
        self._turns = FairLock()
        self._laying_out = threading.Lock()
        self._warm_at = 0
        self._pinned = _pinned(self.layout.size) if base.device.type == "cuda" else None
        self._pinned_extents = Extents(zero=True)
        self._helpers = min(_HELPERS, torch.get_num_threads() - 1)
        self._prompts = probe_prompts(base.tokenizer, self.model.config.get_text_config().vocab_size)
        self._usual = run_bare(self.model, self._prompts)
        check_base(self._usual, contract.dtype)

    @classmethod
    def open(
        cls, spec: ResidentSpec, report: Report = lambda _: None, on_compile: Callable[[], None] = lambda: None
    ) -> "Resident":
        """Load the base, and make its slots and berths. Raises BaseUnusable, NoSlots or DeviceMissing.

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
            base_fingerprint=base.fingerprint,
        )
        report(f"making {spec.berths} berths with {len(oracle.slots)} slots of rank {spec.max_rank}")
        resident = cls(base, contract, oracle, spec.berths, on_compile)
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
        """Lay the adapter out in a free berth, which the caller holds. Raises Rejected, NoBerth, OSError.

        What requests have cached is found again by `digest`; without one the image has a name that no other has.
        `pace` is told of each slot, see `Pace`.
        """
        image = self.berths.take(digest or secrets.token_hex(32))
        try:
            self.lay_out(image, plan, pace)
        except BaseException:
            self.berths.release(image)
            raise
        image.ranks = {one.slot.module: one.rank for one in plan.placements}
        return image

    def lay_out(self, image: Image, plan: Plan, pace: Pace | None = None) -> None:
        """Fill an image's berth from its artifact. Legal from any thread. Raises Rejected or OSError.

        On a CPU it is laid out where it stays; otherwise it goes through pinned memory, and this returns after the copy
        has arrived: nothing else would order it before the first step's read.
        """
        with Contained(), self._laying_out:
            if self._pinned is None:
                self._fill(image.buffer, plan, pace, image.extents)
            else:
                self._fill(self._pinned, plan, pace, self._pinned_extents)
                image.buffer.copy_(self._pinned, non_blocking=True)
                torch.cuda.current_stream(self.device).synchronize()

    def _fill(self, host: torch.Tensor, plan: Plan, pace: Pace | None, extents: Extents) -> None:
        large = plan.manifest.file_size > _WORTH_HELPERS * len(plan.manifest.tensors)
        helpers = self._helpers if large else 0
        fill_host_image(host, plan, self.layout, pace, extents, helpers)

    def verify(self, image: Image) -> dict[str, float]:
        """Run the probe on the candidate in its own berth, one step a prompt. Raises RolledBack."""
        numbers = []
        for prompt in self._prompts:
            with Contained(), self.visit(image):
                numbers.append(run_probe(self.model, prompt))
        return judge(numbers, self._usual)

    @cached_property
    def base_norms(self) -> Mapping[str, float]:
        """The norms of the weights that updates are added to, by module: one measurement for all channels' gates."""
        return base_norms(self.model, self.layout)

    def norms(self, image: Image) -> Mapping[str, float]:
        """Measure how much the adapter changes each module, once; the caller holds the image. Legal from any thread."""
        if image.norms is None:
            image.norms = update_norms(image, self.layout)
        return image.norms

    def drop(self, image: Image) -> None:
        """Give up the hold that `stage` gave."""
        self.release(image)

    @contextmanager
    def step(self) -> Iterator[None]:
        """Hold the right to run the model; first asked, first served."""
        with self._turns:
            yield

    @contextmanager
    def visit(self, image: Image) -> Iterator[None]:
        """Hold the right to run the model, all of it with this image, which the caller holds."""
        with self._turns:
            if image is self.base_image:
                self.low_rank.stop()
            else:
                self.low_rank.use_alone(image)
            try:
                yield
            finally:
                self.low_rank.stop()

    def pulse(self) -> None:
        """Wait for a step's end and pass on: this returns as long as no step hangs in the device."""
        with self._turns:
            pass

    def hold(self, image: Image) -> None:
        """Count one more who needs the image, so that its berth is not used again."""
        self.berths.hold(image)

    def release(self, image: Image) -> None:
        """Count one less who needs it."""
        self.berths.release(image)

    def close(self) -> None:
        """Stop counting compilations; the model's memory goes with the object."""
        self.compilations.close()


def berth_dtype(dtype: torch.dtype, device: torch.device) -> torch.dtype:
    """Choose the dtype of A and B: the base's, but float32 on a CPU.

    PEFT too keeps adapters of a half-precision base in float32, and a small product is five times faster in it there.
    """
    return torch.float32 if device.type == "cpu" else dtype


def _pinned(size: int) -> torch.Tensor:
    return torch.zeros(size, dtype=torch.uint8, pin_memory=True)
