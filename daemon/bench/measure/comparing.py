"""Requests for one of two adapters at random: both live in one model, swapped before each call, or a model each."""

import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import torch
from peft.utils.hotswap import hotswap_adapter

from hotswapd.daemon.bench.peft_ways import NAME, peft_model
from hotswapd.daemon.bench.samples import Findings, Series, at_least
from hotswapd.daemon.bench.scene import Scene
from hotswapd.daemon.share import in_share
from hotswapd.swap.engine import Engine
from hotswapd.swap.resident.base import base_config, load_base
from hotswapd.swap.resident.resident import Resident
from hotswapd.swap.rows.asks import Ask
from hotswapd.swap.rows.spec import EngineSpec

WHAT = {
    "one_model": "two generations in one model",
    "swap_each_call": "peft.hotswap_adapter before each call",
    "two_models": "a model for each",
}
_PROMPTS = 4
_HALF = 50.0
_LIMIT = 300.0

Tokens = tuple[int, ...]
Answer = Callable[[Tokens, int], Tokens]
"""Answers a prompt with the first adapter (0) or the second (1) and returns the new tokens. Legal on any thread."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way, ready to answer. `weights` and `cache` are bytes that stay allocated.

    `cache` is 0 if each call makes its own.
    """

    answer: Answer
    weights: int
    cache: int


@dataclass(frozen=True, slots=True)
class Window:
    """What the clients of one way saw. `exact` is the share of answers equal to a fresh PEFT load's, token by token."""

    rate: float
    exact: float
    answers: int
    way: Way


def measure(scene: Scene) -> Findings:
    """Open each way, load it, and close it, one after the other: they are never all in memory at once."""
    with warnings.catch_warnings():  # the libraries' warnings; set before other threads run
        warnings.simplefilter("ignore")
        return _measure(scene)


def _measure(scene: Scene) -> Findings:
    truths = expected(scene)
    taken: dict[str, list[Window]] = {name: [] for name in WHAT}
    opened: dict[str, Callable[[Scene], AbstractContextManager[Way]]] = {
        "one_model": _one_model,
        "swap_each_call": _swap_each_call,
        "two_models": _two_models,
    }
    names = list(opened)
    for turn in range(scene.preset.windows):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            with opened[name](scene) as way:
                taken[name].append(_window(scene, way, truths))
    return _findings(taken, truths)


def expected(scene: Scene) -> dict[tuple[Tokens, int], Tokens]:
    """Return the answer of a fresh PEFT load to each prompt with each adapter."""
    config = base_config(scene.base)
    vocabulary = int(config.get_text_config().vocab_size)
    prompts = [
        tuple((31 * number + 7 * place) % vocabulary for place in range(scene.preset.prompt))
        for number in range(_PROMPTS)
    ]
    truths: dict[tuple[Tokens, int], Tokens] = {}
    for arm, adapter in enumerate(_adapters(scene)):
        model = peft_model(load_base(scene.spec(), config).model, adapter)
        truths |= {(prompt, arm): _generate(model, prompt, scene.preset.tokens) for prompt in prompts}
    return truths


@contextmanager
def _one_model(scene: Scene) -> Iterator[Way]:
    with _engine(scene, berths=2) as engine:
        images = [_staged(engine.resident, adapter) for adapter in _adapters(scene)]
        engine.route(images[0], 1)
        engine.rows.open(images[1], 2)

        def answer(prompt: Tokens, arm: int) -> Tokens:
            return _complete(engine, Ask(prompt, scene.preset.tokens, generation=arm + 1))

        yield Way(answer, _weights(engine), engine.cache_bytes)


@contextmanager
def _two_models(scene: Scene) -> Iterator[Way]:
    with ExitStack() as stack:
        engines = [stack.enter_context(_engine(scene, berths=1)) for _ in range(2)]
        for engine, adapter in zip(engines, _adapters(scene), strict=True):
            engine.route(_staged(engine.resident, adapter), 1)

        def answer(prompt: Tokens, arm: int) -> Tokens:
            return _complete(engines[arm], Ask(prompt, scene.preset.tokens))

        yield Way(answer, sum(map(_weights, engines)), sum(engine.cache_bytes for engine in engines))


@contextmanager
def _swap_each_call(scene: Scene) -> Iterator[Way]:
    adapters = _adapters(scene)
    model = peft_model(load_base(scene.spec(), base_config(scene.base)).model, adapters[0])
    alone = threading.Lock()

    def answer(prompt: Tokens, arm: int) -> Tokens:
        with alone:
            hotswap_adapter(model, str(adapters[arm]), NAME, torch_device=str(scene.device))
            return _generate(model, prompt, scene.preset.tokens)

    yield Way(answer, _size([*model.parameters(), *model.buffers()]), 0)


@contextmanager
def _engine(scene: Scene, berths: int) -> Iterator[Engine]:
    preset = scene.preset
    context = preset.prompt + preset.tokens
    cache = max(2, preset.clients) * context + 64
    compiled = False if preset.eager else "auto"
    sizes = EngineSpec(context_tokens=context, cache_tokens=cache, batch_tokens=512, compile=compiled)
    engine = Engine(Resident.open(scene.spec(berths=berths)), sizes)
    engine.open()
    try:
        yield engine
    finally:
        engine.close(60.0)
        engine.resident.close()


def _adapters(scene: Scene) -> tuple[Path, Path]:
    return scene.adapter(scene.rank, 0), scene.adapter(scene.rank, 1)


def _staged(resident: Resident, adapter: Path) -> Any:
    image = resident.stage(resident.admit(adapter))
    resident.verify(image)
    return image


def _complete(engine: Engine, ask: Ask) -> Tokens:
    return engine.complete(ask, _LIMIT).token_ids


def _generate(model: Any, prompt: Tokens, tokens: int) -> Tokens:
    asked = torch.tensor([prompt], device=model.device)
    with torch.no_grad():
        whole = model.generate(
            input_ids=asked,
            attention_mask=torch.ones_like(asked),
            max_new_tokens=tokens,
            do_sample=False,
            repetition_penalty=1.0,  # the base's own configuration may have another
        )
    return tuple(whole[0, len(prompt) :].tolist())


def _weights(engine: Engine) -> int:
    resident = engine.resident
    return _size([*resident.model.parameters(), *resident.model.buffers(), resident.berths.memory])


def _size(tensors: Iterable[torch.Tensor]) -> int:
    """Return the sum of the bytes, each storage once: tied weights share theirs."""
    storages = {one.untyped_storage().data_ptr(): one.untyped_storage().nbytes() for one in tensors}
    return sum(storages.values())


def _window(scene: Scene, way: Way, truths: dict[tuple[Tokens, int], Tokens]) -> Window:
    """Let clients send one request after the other for the seconds of a window, each at least one."""
    right: list[bool] = []
    prompts = sorted({prompt for prompt, _ in truths})
    broken: list[Exception] = []
    began = time.monotonic()

    def client(number: int) -> None:
        try:
            for asked in count():
                prompt = prompts[(number + asked) % len(prompts)]
                arm = int(in_share(str(number), str(asked), _HALF))
                right.append(way.answer(prompt, arm) == truths[prompt, arm])
                if time.monotonic() - began >= scene.preset.window:
                    return
        except Exception as error:  # noqa: BLE001 - it is raised again, on the thread that measures
            broken.append(error)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(scene.preset.clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if broken:
        raise broken[0]
    return Window(len(right) / (time.monotonic() - began), sum(right) / len(right), len(right), way)


def _findings(taken: dict[str, list[Window]], truths: dict[tuple[Tokens, int], Tokens]) -> Findings:
    found = Findings()
    rates: dict[str, Series] = {}
    differ = sum(truths[prompt, 0] != truths[prompt, 1] for prompt, arm in truths if arm == 0)
    for name, windows in taken.items():
        what, way = WHAT[name], windows[0].way
        answers = sum(one.answers for one in windows)
        rates[name] = found.add(
            f"ab.{name}.requests", f"requests per second, {what}", "1/s", [one.rate for one in windows], answers=answers
        )
        facts = {"prompts": len(truths) // 2, "prompts_that_tell_them_apart": differ}
        shares = [one.exact for one in windows]
        found.add(f"ab.{name}.exact", f"share of answers that are a fresh PEFT load's, {what}", "", shares, **facts)
        found.add(f"ab.{name}.weights", f"weights and berths, {what}", "bytes", [way.weights])
        if way.cache:
            found.add(f"ab.{name}.cache", f"caches, {what}", "bytes", [way.cache])
    for name in ("swap_each_call", "two_models"):
        against = found.compare(rates["one_model"], rates[name], f"requests/s, {WHAT['one_model']}, to {WHAT[name]}")
        if name == "swap_each_call":
            sentence = "two generations in one model answer at least as many requests as swapping before each call"
            found.goals.append(at_least("ab.requests", sentence, against.median, 1.0))
    return found
