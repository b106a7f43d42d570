"""An adapter that overflows, beside three others: their tokens are their own, in the same step and afterwards."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from kits.adapters import edit_tensors, logits, make_adapter, oracle_model
from kits.rows import LONG, RUNNERS, Bench, Held, adapter, bench, digest_of, home, reference
from kits.steps import Steps

from hotswapd.swap.berths.image import Image
from hotswapd.swap.request_codes import AnswerCode
from hotswapd.swap.rows.sampling import Sampling

TRIGGER = 200
PROMPTS = ((5, 6, 7), tuple(range(10, 90)), (9, 8, 7, 6, 5, 4, 3))
TOKENS = 12
APART = {"bfloat16": 0.1, "float16": 0.05}
"""How far the shape of a batch may move logits, as a share of the largest: another's keys move them further."""


def overflowing(directory: Path, dtype: str) -> Path:
    """Make an adapter whose first keys overflow where a text has the trigger, and are hardly changed elsewhere.

    The input of the first layer depends on the token alone, so that a direction can be found that only the trigger has.
    """
    model = oracle_model(home() / "base", None)
    with torch.no_grad():
        seen = model.model.layers[0].input_layernorm(model.model.embed_tokens.weight[[TRIGGER, *range(3, 45)]])
    wanted = torch.zeros(len(seen), 1, dtype=torch.float64)
    wanted[0] = 1.0
    direction = torch.linalg.pinv(seen.double()) @ wanted
    a, b = (1.0, 3e5) if dtype == "float16" else (1e20, 1e20)

    def edit(tensors: dict[str, torch.Tensor]) -> None:
        for name, tensor in tensors.items():
            tensor.zero_()
            if ".layers.0." in name and "lora_A" in name:
                tensor[0] = a * direction[:, 0]
            elif ".layers.0." in name:
                tensor[:, 0] = b

    made = make_adapter(home() / "base", directory, targets=["k_proj"], rank=4, alpha=4)
    edit_tensors(edit)(made)
    return made


def open_beside(made: Bench, place: Path) -> int:
    """Open the overflowing adapter between two others, by the order of their berths; return its number."""
    made.swap(0)
    image = made.resident.stage(made.resident.admit(place), "f" * 64)
    made.rows.open(image, 50)
    made.resident.drop(image)
    made.open(1)
    made.open(2)
    return 50


class Good:
    """Requests to the three others and to the base, and what they must answer."""

    def __init__(self, made: Bench, dtype: str) -> None:
        self.made, self.dtype = made, dtype
        self.steps = Steps(made.loop)
        self.models: dict[int, Any] = {}

    def ask(self, salt: str) -> list[Any]:
        numbers = [number for number in self.made.made if number]
        return [
            (*self.made.ask(prompt, TOKENS, number, cache_salt=salt), prompt)
            for prompt in PROMPTS
            for number in numbers
        ]

    def check(self, asked: list[Any]) -> None:
        """Hold each token to what a fresh PEFT load makes of the text before it."""
        for ticket, listener, prompt in asked:
            answer = listener.wait().token_ids
            assert listener.last.finish == "length"
            index = self.made.made[ticket.generation]
            if self.dtype == "float32":
                assert answer == reference(index, prompt, TOKENS)
                continue
            assert index is not None
            if index not in self.models:
                self.models[index] = oracle_model(home() / "base", adapter(index), getattr(torch, self.dtype))
            theirs = logits(self.models[index], [*prompt, *answer[:-1]])[len(prompt) - 1 :]
            apart = (self.steps.logits(ticket) - theirs).abs().max()
            assert float(apart) <= APART[self.dtype] * float(theirs.abs().max())


@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_an_overflow_fails_its_own_request_alone(tmp_path: Path, dtype: str, runner: str) -> None:
    """Prompts with the trigger at their end, in the midst and behind a whole step of others; then none any more."""
    place = overflowing(tmp_path / "bad", dtype)
    with bench(dtype=dtype, runner=runner, cache_tokens=1024, batch_tokens=64, max_requests=16) as made:
        number, good = open_beside(made, place), Good(made, dtype)
        long = tuple(3 + at % 40 for at in range(120))
        bad_prompts = [(5, 6, TRIGGER), (*long[:20], TRIGGER, *long[20:90]), (*long, TRIGGER)]
        with made.resident.step():
            fine = good.ask("same step")  # first: the loop may have planned a step by now, and these take many
            bad = [made.ask(prompt, TOKENS, number) for prompt in bad_prompts]
        for _, listener in bad:
            last = listener.wait()
            assert (last.finish, last.code, last.token_ids) == ("error", AnswerCode.NON_FINITE, ())
            assert "look at the adapter" in str(last.error)
        good.check(fine)
        assert any({number, 1} <= mix for mix in good.steps.mixes)
        for again in range(3):  # more than all the pages there are
            good.check(good.ask(f"afterwards {again}"))
        assert made.ask((5, 6, 7), 1, number)[1].wait().finish == "length"
        assert made.loop.death is None
        assert all_finite(made)


def all_finite(made: Bench) -> bool:
    """Tell whether everything in the cache is finite: what is masked is still multiplied."""
    cache = getattr(made.loop._runner, "_cache", None)
    if cache is None:
        return True
    return all(bool(held.isfinite().all()) for part in (cache.keys, cache.values) for held in part.values())


PARTS = ["self_attn.k_proj", "self_attn.v_proj", "self_attn.q_proj", "mlp.down_proj"]


@pytest.fixture(params=RUNNERS)
def one(request: pytest.FixtureRequest) -> Iterator[Bench]:
    with bench(runner=request.param, cache_tokens=512, max_requests=16) as made:
        made.swap(0)
        yield made


def spoil(made: Bench, image: Image, part: str, value: float) -> None:
    """Write a value into the second layer's B of a berth, as nothing that was admitted can."""
    place = next(one for one in made.resident.layout if one.slot.module == f"model.layers.1.{part}")
    with made.resident.step():
        place.b.view(image.buffer)[:, 0] = value


def spoiled(made: Bench, part: str, value: float) -> int:
    """Open an adapter with a spoiled berth between two others; return its number."""
    image = made.resident.stage(made.resident.admit(adapter(3)), "f" * 64)
    made.rows.open(image, 50)
    made.resident.drop(image)
    spoil(made, image, part, value)
    made.open(1)
    made.open(2)
    return 50


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("part", PARTS)
def test_whatever_part_is_not_finite_others_are_right(one: Bench, part: str, value: float) -> None:
    """Keys, values, queries, or nothing but the logits."""
    if part == "self_attn.q_proj" and one.engine.plain:
        pytest.skip("the plain runner leaves attention to the model, which hides such queries")
    number, good = spoiled(one, part, value), Good(one, "float32")
    with one.resident.step():
        bad = [one.ask(prompt, TOKENS, number) for prompt in PROMPTS]
        fine = good.ask("same step")
    for _, listener in bad:
        last = listener.wait()
        assert (last.finish, last.code, last.token_ids) == ("error", AnswerCode.NON_FINITE, ())
    good.check(fine)
    for again in range(2):
        good.check(good.ask(f"afterwards {again}"))
    assert all_finite(one)


def test_an_answer_that_becomes_non_finite_ends_with_what_it_has(one: Bench) -> None:
    """Its tokens so far are right, and the one that could not be trusted is not told."""
    image = one.open(1)
    held = Held(at=5)
    ticket, _ = one.ask((5, 6, 7), 30, image.number, hear=held)
    assert held.begun.wait(LONG)
    while len(held.last.token_ids) < 5:
        held.begun.wait(0.01)
    spoil(one, image, "self_attn.v_proj", float("nan"))
    beside = one.ask((5, 6, 7), TOKENS)
    held.let_go.set()
    last = held.wait()
    assert (last.finish, last.code) == ("error", AnswerCode.NON_FINITE)
    assert last.token_ids == reference(1, (5, 6, 7), 30)[:5]
    assert one.right(*beside, (5, 6, 7), TOKENS)
    assert ticket.ended("error").non_finite


@pytest.mark.parametrize("how", [{"temperature": 1.0, "seed": 3}, {"temperature": 1.0, "top_p": 0.9, "top_k": 5}])
def test_a_sampled_request_fails_as_a_greedy_one(one: Bench, how: dict[str, Any]) -> None:
    """A distribution over NaN would draw some token, with HTTP status 200."""
    number = spoiled(one, "mlp.down_proj", float("nan"))
    assert not Sampling(**how).greedy
    last = one.ask((5, 6, 7), TOKENS, number, **how)[1].wait()
    assert (last.finish, last.code, last.token_ids) == ("error", AnswerCode.NON_FINITE, ())
    assert one.right(*one.ask((5, 6, 7)), (5, 6, 7))


def test_what_lies_in_a_berth_that_nobody_uses_harms_nobody(one: Bench) -> None:
    """Such as what a refused adapter left there, or half of one that is being staged."""
    one.open(1)
    with one.resident.step():
        for berth in range(one.resident.berths.count):
            if berth not in {image.berth for image in one.resident.berths.images()}:
                one.resident.berths.memory[berth].view(torch.float32).fill_(float("nan"))
        asked = [one.ask((5, 6, 7), TOKENS, number) for number in (1, 2)]
    for ticket, listener in asked:
        assert one.right(ticket, listener, (5, 6, 7), TOKENS)


def test_nothing_of_a_failed_request_is_found_again(one: Bench) -> None:
    """A prefix whose keys were made finite only so that others are safe is no prefix."""
    prompt = tuple(range(10, 90))
    image = one.stage(1)
    one.rows.open(image, 60)
    one.made[60] = 1
    place = next(p for p in one.resident.layout if p.slot.module == "model.layers.1.self_attn.v_proj")
    kept = place.b.view(image.buffer).clone()
    spoil(one, image, "self_attn.v_proj", float("inf"))
    assert one.ask(prompt, TOKENS, 60)[1].wait().code == AnswerCode.NON_FINITE
    with one.resident.step():
        place.b.view(image.buffer).copy_(kept)
    assert image.digest == digest_of(1)
    assert one.right(*one.ask(prompt, TOKENS, 60), prompt, TOKENS)
    one.resident.drop(image)
