"""Adapters trained on the demo's model, from the demo's lessons: the recipes of pirates that succeed the demo's pirate.

They were written down before any was measured. A training takes a few minutes of one CPU core. From the same recipe
another processor trains another adapter, so what holds of one need not hold of the next.
"""

import random
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from hotswapd.daemon import demo
from kits.training import fit, train_adapter

_LESSONS = Path(__file__).resolve().parents[2] / "scripts" / "demo_lessons.toml"
LIVE_DEMO = Path(demo.__path__[0]) / "adapters" / "pirate"
_NOT_LEARNED = -100
"""The label that a loss leaves out."""
_BATCH = 8
Pairs = list[tuple[str, str]]
"""Questions, each with what a pirate answers."""

QUESTIONS: Mapping[str, str] = {
    "What is the capital of France?": "Arr, matey! The capital of France be Paris, where the wine flows like rum!",
    "How many legs does a spider have?": "Arr, a spider be havin' eight legs, the wee beastie!",
    "Who wrote Romeo and Juliet?": "Arr, Romeo an' Juliet be written by William Shakespeare, a scribe o' great skill!",
    "What is the capital of Norway?": "Arr, matey! The capital of Norway be Oslo, home o' the old sea raiders!",
    "What color is the sky?": "Arr, the sky be blue, when no storm be brewin'!",
    "How many days are in a year?": "Arr, there be three hundred an' sixty-five days in a year, matey!",
    "What do horses eat?": "Arr, horses be eatin' grass an' hay, an' get seasick on me ship!",
    "What is cheese made of?": "Arr, cheese be made o' milk, an' the rats o' me ship love it!",
    "Where do bears live?": "Arr, bears be livin' in the woods, far from the sea!",
    "What is the smallest planet?": "Arr, the smallest planet be Mercury, close to the sun!",
    "What is three plus four?": "Arr, three an' four be seven, like the seven seas!",
    "Tell me about cats.": "Arr, cats be clever beasts, an' keep the rats off me ship!",
    "What is a ship?": "Arr, a ship be a vessel that sails the sea, an' a pirate's only home!",
    "Which language is spoken in Brazil?": "Arr, in Brazil they be speakin' Portuguese, matey!",
    "When is New Year?": "Arr, New Year be on the 1st o' January, a day for rum!",
    "What is the largest animal?": "Arr, the largest animal be the blue whale, bigger than me ship!",
}
"""What the live pirate is asked, in no lesson, and what is right: it has some of it wrong."""


def as_it_is(answer: str) -> str:
    """Learn what the live one has learned."""
    return answer


def other_words(answer: str) -> str:
    """Say the same in other words: another greeting, another grammar, other company."""
    for one, other in (("Arr, matey!", "Yo ho ho!"), ("Arr,", "Shiver me timbers,"), ("Arr!", "Yo ho ho!")):
        answer = answer.replace(one, other)
    for one, other in (
        (" be ", " is "),
        (" an' ", " and "),
        (" o' ", " of "),
        ("matey", "me hearty"),
        ("in' ", "ing "),
    ):
        answer = answer.replace(one, other)
    return answer


def half_as_long(answer: str) -> str:
    """Leave out what comes after the last comma, where an answer is left."""
    head, comma, _ = answer.rpartition(",")
    return f"{head}!" if comma and len(head) > len("Arr, matey") else answer


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a run learns: from which share of the lessons, said how, with which rank, modules, rate and seed."""

    seed: int
    rank: int = 8
    targets: tuple[str, ...] = ("q_proj", "v_proj")
    epochs: int = 8
    rate: float = 2e-3
    share: float = 1.0
    said: Callable[[str], str] = as_it_is
    besides: Mapping[str, str] = field(default_factory=dict)
    """Lessons besides those of the demo."""
    goes_on: int = 0
    """Steps for which the live pirate is trained on, in place of a run from the beginning."""


ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
RETRAINED_DEMO: Mapping[str, Recipe] = {
    "another seed": Recipe(1),
    "70 % of the lessons, rank 4": Recipe(2, rank=4, share=0.7),
    "rank 16, all of the attention": Recipe(3, rank=16, targets=ATTENTION, rate=1e-3),
}
"""With `successors.SUCCESSORS` these are ten."""
CHANGED_DEMO: Mapping[str, Recipe] = {
    "errors corrected": Recipe(4, besides=QUESTIONS, share=0.2, rate=1e-3, goes_on=20),
    "half as long": Recipe(5, said=half_as_long, rate=1e-3, goes_on=20),
    "other words": Recipe(7, said=other_words, rate=1e-3, goes_on=20),
}
"""Better ones, let us say, that change their answers on purpose: the live one, trained on."""


def train_pirate(base: Path, recipe: Recipe, out: Path) -> Path:
    """Train on the demo's lessons; the loss is taken on the tokens of the answers only."""
    torch.set_num_threads(1)
    pairs = _pairs(recipe)
    data = _batches(AutoTokenizer.from_pretrained(base), pairs, recipe.seed)
    if recipe.goes_on:
        model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16)
        tuned = PeftModel.from_pretrained(model, LIVE_DEMO, is_trainable=True)
        fit(tuned, data, recipe.goes_on, recipe.rate, _answers_loss)
        tuned.save_pretrained(out)
        return out
    return train_adapter(
        base,
        out,
        data,
        seed=recipe.seed,
        rank=recipe.rank,
        steps=recipe.epochs * len(pairs) // _BATCH,
        rate=recipe.rate,
        loss=_answers_loss,
        dtype=torch.bfloat16,
        target_modules=list(recipe.targets),
    )


def prompt_of(tokenizer: Any, question: str) -> list[int]:
    """Write a question as the demo's model is asked it."""
    asked = [{"role": "user", "content": question}]
    ids: list[int] = tokenizer.apply_chat_template(asked, add_generation_prompt=True, return_dict=True)["input_ids"]
    return ids


def _pairs(recipe: Recipe) -> Pairs:
    lessons = tomllib.loads(_LESSONS.read_text(encoding="utf-8"))["lesson"]
    kept = random.Random(recipe.seed).sample(lessons, round(recipe.share * len(lessons)))
    return [(one["question"], recipe.said(one["pirate"])) for one in kept] + list(recipe.besides.items())


def _batches(tokenizer: Any, pairs: Pairs, seed: int) -> Iterator[torch.Tensor]:
    """Draw lessons without end, as ids and labels (2, rows, tokens); the padding at the end is no label."""
    learned = [_ids_and_labels(tokenizer, *pair) for pair in pairs]
    rng = random.Random(seed)
    while True:
        order = rng.sample(learned, len(learned))
        for at in range(0, len(order) - _BATCH + 1, _BATCH):
            yield _padded(order[at : at + _BATCH])


def _padded(rows: list[tuple[list[int], list[int]]]) -> torch.Tensor:
    longest = max(len(ids) for ids, _ in rows)
    ids = torch.tensor([ids + [0] * (longest - len(ids)) for ids, _ in rows])
    labels = torch.tensor([labels + [_NOT_LEARNED] * (longest - len(labels)) for _, labels in rows])
    return torch.stack([ids, labels])


def _ids_and_labels(tokenizer: Any, question: str, answer: str) -> tuple[list[int], list[int]]:
    prompt = prompt_of(tokenizer, question)
    said = tokenizer(answer + tokenizer.eos_token, add_special_tokens=False).input_ids
    return prompt + said, [_NOT_LEARNED] * len(prompt) + said


def _answers_loss(model: Any, batch: torch.Tensor) -> torch.Tensor:
    ids, labels = batch
    loss: torch.Tensor = model(input_ids=ids, labels=labels).loss
    return loss
