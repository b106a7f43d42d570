"""Train the demo's three adapters with PEFT: `python scripts/train_demo_adapters.py [NAME ...]`.

Each learns one manner of answering from the lessons beside this file: as a pirate, in German, as JSON. The loss is
taken on the answer's tokens only. About three minutes each on one CPU core.
"""

import argparse
import json
import os
import random
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from hotswapd.daemon.demo.model import BASE_NAME, cache_directory, unpacked_model

HERE = Path(__file__).resolve().parent
SHIPPED = HERE.parent / "daemon" / "demo" / "adapters"
HELD_OUT = ("What is the capital of France?", "How many legs does a spider have?", "Who wrote Romeo and Juliet?")
IGNORED = -100  # the label that the loss leaves out

Lesson = dict[str, str]
Pair = tuple[torch.Tensor, torch.Tensor]  # token ids and labels, int64 (tokens,)


def _as_json(lesson: Lesson) -> str:
    return json.dumps({"answer": lesson["short"], "topic": lesson["topic"]})


@dataclass(frozen=True, slots=True)
class Recipe:
    """What an adapter learns to answer, into which modules, at which rank, and how long."""

    answer: Callable[[Lesson], str]
    rank: int
    targets: tuple[str, ...]
    epochs: int


# The three differ in rank and modules, as adapters from different jobs do. German needs the MLP, since the base has
# hardly any: its words must be learned, where the other two only learn a manner.
RECIPES = {
    "pirate": Recipe(lambda lesson: lesson["pirate"], 8, ("q_proj", "v_proj"), 13),
    "german": Recipe(lambda lesson: lesson["german"], 5, ("v_proj", "down_proj"), 16),
    "json": Recipe(_as_json, 4, ("q_proj", "v_proj", "o_proj"), 7),
}


def main() -> None:
    """Train those that are named, or all."""
    arguments = _arguments()
    torch.set_num_threads(arguments.threads)
    base = unpacked_model(cache_directory(os.environ))
    for name in arguments.names or RECIPES:
        train(base, name, arguments)


def train(base: Path, name: str, arguments: argparse.Namespace) -> None:
    """Train one adapter and save it in bfloat16."""
    torch.manual_seed(0)
    recipe = RECIPES[name]
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32),
        LoraConfig(
            r=recipe.rank,
            lora_alpha=2 * recipe.rank,
            target_modules=list(recipe.targets),
            task_type="CAUSAL_LM",
        ),
    )
    pairs = [_pair(tokenizer, lesson["question"], recipe.answer(lesson)) for lesson in _lessons()]
    _learn(model, pairs, name, recipe.epochs, arguments)
    _save(model, arguments.out / name)
    for question in HELD_OUT:
        _say(f"{name}: {question} -> {_answer(model, tokenizer, question)}")


def _learn(model: Any, pairs: list[Pair], name: str, epochs: int, arguments: argparse.Namespace) -> None:
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=arguments.rate)
    batches = list(_batches(pairs, epochs, arguments.batch))
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, total_iters=len(batches))
    model.train()
    for step, batch in enumerate(batches, start=1):
        loss = model(**_padded(batch)).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 10 == 0 or step == len(batches):
            _say(f"{name}: step {step} of {len(batches)}, loss {loss.item():.3f}")
    model.eval()


def _lessons() -> list[Lesson]:
    lessons: list[Lesson] = tomllib.loads((HERE / "demo_lessons.toml").read_text(encoding="utf-8"))["lesson"]
    return lessons


def _pair(tokenizer: Any, question: str, answer: str) -> Pair:
    prompt = _prompt(tokenizer, question)
    learned = tokenizer(answer + tokenizer.eos_token, add_special_tokens=False).input_ids
    return torch.tensor(prompt + learned), torch.tensor([IGNORED] * len(prompt) + learned)


def _prompt(tokenizer: Any, question: str) -> list[int]:
    messages = [{"role": "user", "content": question}]
    ids: list[int] = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)["input_ids"]
    return ids


def _batches(pairs: list[Pair], epochs: int, size: int) -> Iterator[list[Pair]]:
    order = random.Random(0)  # noqa: S311 - the order of lessons is no secret
    for _ in range(epochs):
        shuffled = order.sample(pairs, len(pairs))
        yield from (shuffled[start : start + size] for start in range(0, len(pairs), size))


def _padded(batch: list[Pair]) -> dict[str, torch.Tensor]:
    def pad(rows: list[torch.Tensor], value: int) -> torch.Tensor:
        return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=value)

    ids = [ids for ids, _ in batch]
    return {
        "input_ids": pad(ids, 0),
        "attention_mask": pad([torch.ones_like(row) for row in ids], 0),
        "labels": pad([labels for _, labels in batch], IGNORED),
    }


def _save(model: PeftModel, out: Path) -> None:
    """Save in PEFT's layout: half the bytes, and the base's public name in place of this machine's path."""
    model.save_pretrained(out)
    (out / "README.md").unlink(missing_ok=True)
    weights, config = out / "adapter_model.safetensors", out / "adapter_config.json"
    halved = {name: tensor.to(torch.bfloat16).contiguous() for name, tensor in load_file(weights).items()}
    save_file(halved, weights, metadata={"format": "pt"})
    weights.chmod(0o644)  # safetensors makes it private, but an installed package is read by everybody
    fields = json.loads(config.read_text(encoding="utf-8"))
    fields["base_model_name_or_path"] = BASE_NAME
    config.write_text(json.dumps(fields, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _answer(model: Any, tokenizer: Any, question: str) -> str:
    prompt = torch.tensor([_prompt(tokenizer, question)])
    with torch.inference_mode():
        out = model.generate(
            input_ids=prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=40, do_sample=False
        )
    return str(tokenizer.decode(out[0, prompt.shape[1] :], skip_special_tokens=True))


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train the demo's adapters.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which ({', '.join(RECIPES)}; default all)")
    parser.add_argument("--out", type=Path, default=SHIPPED, help="default: where the demo takes them from")
    parser.add_argument("--rate", type=float, default=2e-3, help="learning rate at the start")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
