"""Swaps under a steady load of real HTTP clients: nothing fails, nothing is mixed, and nobody waits for a drain."""

import os
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
import torch
from kits.adapters import edit_config, edit_tensors, make_adapter
from kits.candidates import Daemon
from kits.crowd import crowd
from kits.models import byte_tokenizer, text_of
from kits.rows import ADAPTERS, adapter, home, reference
from kits.scored import following, near
from kits.serving import GENERATION, MODEL, Served, served

from hotswapd.daemon.ledger.states import State

pytestmark = pytest.mark.slow

Table = dict[tuple[int | None, str], str]
Bad = tuple[Path, State, str]
CLIENTS = 8
SWAPS = int(os.environ.get("HOTSWAPD_TEST_SWAPS", "60"))
SHARED = "The quick brown fox jumps over the lazy dog, and then again. " * 3
LENGTHS = ((0, 16), (20, 4), (70, 9), (183, 16))
"""Characters of the shared prefix, and the most tokens of the answer."""
PROMPTS = tuple((SHARED[: LENGTHS[n % 4][0]] + str(n), LENGTHS[n % 4][1]) for n in range(8))


def ends(index: int | None, prompt: str, tokens: int) -> str:
    """Decode what a fresh PEFT load answers, as far as its end."""
    return text_of(list(reference(index, tuple(byte_tokenizer().encode(prompt)), tokens)))


@pytest.fixture(scope="module")
def table() -> Table:
    """Compute every reference before anything is asked: from_pretrained is not for several threads at once."""
    indexes = (None, *range(ADAPTERS))
    return {(index, prompt): ends(index, prompt, tokens) for index in indexes for prompt, tokens in PROMPTS}


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> list[Bad]:
    """Make three adapters that are found out at three different steps."""
    root = tmp_path_factory.mktemp("bad")

    def make(name: str, *changes: Callable[[Path], object], **fields: Any) -> Path:
        path = make_adapter(home() / "base", root / name, **fields)
        for change in changes:
            change(path)
        return path

    def poison(tensors: dict[str, torch.Tensor]) -> None:
        next(iter(tensors.values()))[0, 0] = float("nan")

    return [
        (make("nan", edit_tensors(poison)), State.REJECTED, "non_finite"),
        (make("rank", edit_config(r=2)), State.REJECTED, "rank_mismatch"),
        (make("wild", scale=1e18), State.ROLLED_BACK, "probe_not_finite"),  # finite itself, but not what it computes
    ]


class Asking:
    """Asks as client `number` does, and keeps every answer that was not its generation's own."""

    def __init__(self, one: Served, table: Table) -> None:
        self.one, self.table = one, table
        self.answers: list[int] = []
        self.wrong: list[tuple[int, str, str]] = []
        self.turns = [cycle(PROMPTS[number:] + PROMPTS[:number]) for number in range(CLIENTS)]

    def __call__(self, number: int) -> None:
        prompt, tokens = next(self.turns[number])
        raw = self.one.client.completions.with_raw_response.create(
            model=MODEL, prompt=prompt, max_tokens=tokens, stream=number % 2 == 1, temperature=0
        )
        generation = int(raw.headers[GENERATION])
        answer: Any = raw.parse()
        parts = answer if number % 2 == 1 else [answer]
        text = ""
        for part in parts:
            assert part.system_fingerprint.startswith(f"hotswapd-g{generation}-")
            text += part.choices[0].text
        self.answers.append(generation)
        if text != self.table[self.one.bench.made[generation], prompt]:
            self.wrong.append((generation, prompt, text))


def test_swaps_under_load_fail_nothing_and_mix_nothing(tmp_path: Path, table: Table, bad: list[Bad]) -> None:
    """Every answer is, token by token, the fresh PEFT reference of the generation that it names."""
    with served() as one:
        daemon, asked = Daemon(one.bench, tmp_path), Asking(one, table)
        with crowd(CLIENTS, asked):
            for number in range(SWAPS):
                if number % 3 == 2:
                    directory, state, reason = bad[number // 3 % len(bad)]
                    row = daemon.offer(directory)
                    assert (row.state, row.reason) == (state, reason)
                else:
                    one.bench.await_room()
                    row = daemon.offer(adapter(number % ADAPTERS), number % ADAPTERS)
                    assert row.state == State.LIVE, row.detail
        assert asked.wrong == []
        assert len(set(asked.answers)) > SWAPS // 6
        assert one.bench.loop.held_pages == 0
        print(f"{SWAPS} swaps, {len(asked.answers)} answers, {len(set(asked.answers))} generations")


class Scoring:
    """Asks for log-probabilities of prompt and answer, and keeps every answer that was not its generation's own."""

    def __init__(self, one: Served, texts: dict[tuple[int | None, str], tuple[int, ...]]) -> None:
        self.one, self.texts = one, texts
        self.generations: set[int] = set()
        self.wrong: list[tuple[int, str]] = []

    def __call__(self, number: int) -> None:
        prompt, tokens = PROMPTS[number % len(PROMPTS)]
        answer = self.one.client.completions.create(
            model=MODEL, prompt=[prompt] * 2, max_tokens=tokens, temperature=0, logprobs=0, echo=True
        )
        generation = int(str(answer.system_fingerprint).split("-")[1].removeprefix("g"))
        self.generations.add(generation)
        index = self.one.bench.made[generation]
        for choice in answer.choices:
            scores = choice.logprobs
            told = [score for score in (scores.token_logprobs if scores else None) or [] if score is not None]
            if not near(told, following(index, self.texts[index, prompt])):
                self.wrong.append((generation, prompt))


def test_log_probabilities_are_one_generations_whatever_goes_live() -> None:
    """Of the prompt and of every answer of a request, within 1e-4 of a fresh PEFT load of the generation it names."""
    texts = {
        (index, prompt): (*encoded, *reference(index, encoded, tokens))
        for index in (None, *range(ADAPTERS))
        for prompt, tokens in PROMPTS
        if (encoded := tuple(byte_tokenizer().encode(prompt)))
    }
    for index, prompt in texts:
        following(index, texts[index, prompt])  # before anything is asked: a model is not for several threads at once
    with served() as one:
        scoring = Scoring(one, texts)
        with crowd(CLIENTS, scoring):
            for number in range(SWAPS // 3):
                one.bench.await_room()
                one.bench.swap(number % ADAPTERS)
        assert scoring.wrong == []
        assert len(scoring.generations) > 2
