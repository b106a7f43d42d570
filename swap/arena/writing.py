"""The only way to write the arena: in a turn, one copy of a whole image, which is taken back when it fails half way."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from hotswapd.swap.errors import ResidentLost
from hotswapd.swap.failures import is_sticky

from .arena import SlotArena
from .image import Image
from .turns import Alternation, FairLock

_SMALL = 1 << 20
"""Bytes of an arena on a CPU that this thread copies alone: torch would wake its others, which takes longer."""


class ArenaWriter:
    """Copies images into the arena and knows which one it holds. Every method is legal from any thread.

    Turns are handed out in the order of asking. A method that copies raises ResidentLost when a copy fails and cannot
    be taken back: nobody knows then what the arena holds.
    """

    def __init__(self, arena: SlotArena, first: Image) -> None:
        """`first` is the image that the arena holds already."""
        self._arena = arena
        self._device = arena.buffer.device
        self._turns = FairLock()
        self._held = first
        self.alternation = Alternation()
        self.copies = 0
        """Copies into the arena so far: commits, and turns that found another image there."""
        self.copy_seconds = 0.0

    @contextmanager
    def turn(self, image: Image) -> Iterator[None]:
        """Hold the right to run the model, with this image in the arena."""
        with self._turns:
            began, since, handing = time.perf_counter(), self._turns.passed_at, self._turns.handing
            alternates = self._held is not image
            self._put(image)
            copying = time.perf_counter() - began
            yield
            if alternates:
                self.alternation.count(began if since is None else since, copying, handing)

    @contextmanager
    def visit(self, image: Image) -> Iterator[None]:
        """Take a turn that leaves the arena as it found it."""
        with self._turns:
            before = self._held
            self._put(image)
            try:
                yield
            finally:
                self._restore(before)

    def put(self, image: Image) -> float:
        """Leave this image in the arena, and return the seconds in which no step could run because of it."""
        with self._turns:
            began = time.perf_counter()
            self._put(image)
            return time.perf_counter() - began

    def put_back(self, image: Image) -> None:
        """Restore an image that `put` has replaced. Every error is a ResidentLost: there is nothing to fall back on."""
        with self._turns:
            self._restore(image)

    def pulse(self) -> None:
        """Wait for a turn and pass it on: this returns as long as no step hangs in the device."""
        with self._turns:
            pass

    def upload(self, image: Image, host: torch.Tensor) -> None:
        """Copy a pinned host buffer (bytes,) into an image, and return when the copy has arrived."""
        image.buffer.copy_(host, non_blocking=True)
        self._wait_for_device()

    def _put(self, image: Image) -> None:
        """Make the arena this image: one copy. When it fails the previous image is put back."""
        if self._held is image:
            return
        try:
            self._copy(image)
        except BaseException as error:
            self._undo(error)
            raise
        self._held = image

    def _undo(self, error: BaseException) -> None:
        """Undo half a copy, unless the device has failed for good: nothing that it reports can be trusted then."""
        if is_sticky(error):
            raise ResidentLost("the device does not answer any more; restart the process") from error
        try:
            self._copy(self._held)
        except BaseException as second:
            raise ResidentLost(
                "a copy into the arena failed, and so did the copy back; restart the process"
            ) from second

    def _restore(self, before: Image) -> None:
        try:
            self._put(before)
        except ResidentLost:
            raise
        except BaseException as error:
            raise ResidentLost("what was live could not be put back; restart the process") from error

    def _copy(self, image: Image) -> None:
        began = time.perf_counter()
        if self._device.type == "cpu" and self._arena.layout.size <= _SMALL:
            np.copyto(self._arena.buffer.numpy(), image.buffer.numpy())
        else:
            self._arena.buffer.copy_(image.buffer, non_blocking=True)
        self._wait_for_device()
        self.copies += 1
        self.copy_seconds += time.perf_counter() - began

    def _wait_for_device(self) -> None:
        """Order the copy before the next step of a lane: lanes compute on streams of their own."""
        if self._device.type == "cuda":
            torch.cuda.current_stream(self._device).synchronize()
