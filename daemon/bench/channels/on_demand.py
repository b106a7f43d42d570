"""What a user of PEFT would do for many channels: one model, and `hotswap_adapter` when another one is asked for."""

import time
import warnings
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from peft import LoraConfig
from peft.utils.hotswap import hotswap_adapter, hotswap_adapter_from_state_dict

from hotswapd.daemon.bench.mixing.plain import generate
from hotswapd.daemon.bench.peft_ways import NAME, lora_fields, peft_model, tensors, twin

from .traffic import CLIENTS, Played, Wanted


class OnDemand:
    """Answers one batch at a time: all of the requests that wait for the channel of the one that came first.

    As many requests wait as there are clients. Nothing is lost between them: the next one comes at once.
    """

    def __init__(self, model: Any, adapters: Sequence[Path], tokens: int, *, memory: bool) -> None:
        """With `memory` all adapters are held as tensors; otherwise each is read from its file, in the page cache."""
        self._model = peft_model(twin(model), adapters[0])
        self._adapters, self._tokens, self._now = adapters, tokens, 1
        self._held = [tensors(one, self._model.device) for one in adapters] if memory else []
        self._config = LoraConfig(**lora_fields(adapters[0]))

    @property
    def held(self) -> int:
        """Bytes that adapters take: that of the model, and those that are held."""
        own = [one for name, one in self._model.named_parameters() if "lora_" in name]
        beside = [one for each in self._held for one in each.values()]
        return sum(int(one.nbytes) for one in (*own, *beside))

    def play(self, piece: Sequence[Wanted]) -> Played:
        """Answer a piece of the trace."""
        played, coming = Played.nothing(len(piece)), deque(enumerate(piece))
        began = time.perf_counter()
        waiting = [(*coming.popleft(), began) for _ in range(min(CLIENTS, len(coming)))]
        while waiting:
            wanted = waiting[0][1].channel
            batch = [one for one in waiting if one[1].channel == wanted]
            waiting = [one for one in waiting if one[1].channel != wanted]
            swapped = self._swap(wanted)
            for place, (at, _, _) in enumerate(batch):
                played.hits[at] = place > 0 or not swapped  # the first of a batch waits for the swap
            self._answer(batch, played)
            now = time.perf_counter()
            waiting += [(*coming.popleft(), now) for _ in range(min(len(batch), len(coming)))]
        played.seconds = time.perf_counter() - began
        return played

    def _swap(self, channel: int) -> bool:
        """Swap to a channel unless it is there; tell whether it was not."""
        if channel == self._now:
            return False
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._bring(channel)()
        self._now = channel
        return True

    def _bring(self, channel: int) -> Callable[[], object]:
        if self._held:
            held = dict(self._held[channel - 1])
            return lambda: hotswap_adapter_from_state_dict(self._model, held, NAME, self._config)
        place, device = str(self._adapters[channel - 1]), str(self._model.device)
        return lambda: hotswap_adapter(self._model, place, NAME, torch_device=device)

    def _answer(self, batch: Sequence[tuple[int, Wanted, float]], played: Played) -> None:
        first: list[float] = []

        def on_step() -> None:
            if not first:
                first.append(time.perf_counter())

        answers = generate(self._model, [one.prompt for _, one, _ in batch], self._tokens, on_step)
        for (at, _, since), answer in zip(batch, answers, strict=True):
            played.answers[at], played.first[at] = tuple(answer), first[0] - since
