"""A tiny base that has really learned something, and adapters really trained on it: good ones, and bad ones.

Everything is a function of seeds, on one machine with one torch.
"""

import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, LlamaConfig

from kits.folders import WEIGHTS
from kits.models import EOS, VOCABULARY, byte_tokenizer

CONTEXT = 512
_WIDTH = 64
_NAMES = (
    "Ada",
    "Bert",
    "Cora",
    "Dora",
    "Emil",
    "Fritz",
    "Greta",
    "Hugo",
    "Ida",
    "Jan",
    "Kurt",
    "Lena",
    "Max",
    "Nora",
    "Otto",
    "Paul",
)
_VERBS = ["sees", "likes", "paints", "carries", "finds", "wants", "sells", "brings"]
_THINGS = (
    "a red house",
    "the old boat",
    "two small dogs",
    "a green apple",
    "the long road",
    "some cold water",
    "a new book",
)
_TOWNS = ["Paris", "Rome", "Oslo", "Bern", "Lima", "Cairo", "Kyiv", "Delhi"]


def sentence(rng: random.Random) -> str:
    """Make a sentence in the base's own language."""
    return f"{rng.choice(_NAMES)} {rng.choice(_VERBS)} {rng.choice(_THINGS)} in {rng.choice(_TOWNS)}."


def _sum(rng: random.Random) -> str:
    a, b = rng.randrange(50), rng.randrange(50)
    return f"{a} plus {b} is {a + b}."


def _code(rng: random.Random) -> str:
    name = rng.choice(_NAMES).lower()
    return f"def {name}(a, b):\n    return a {rng.choice('+-*')} b"


def _json(rng: random.Random) -> str:
    return f'{{"name": "{rng.choice(_NAMES)}", "town": "{rng.choice(_TOWNS)}", "age": {rng.randrange(90)}}}'


def _shout(rng: random.Random) -> str:
    return sentence(rng).upper()


def _pirate(rng: random.Random) -> str:
    return f"Arr, {sentence(rng)[:-1]}, ye landlubber!"


def _question(rng: random.Random) -> str:
    name = rng.choice(_NAMES)
    return f"Who {rng.choice(_VERBS)} {rng.choice(_THINGS)}? It is {name}."


def _list(rng: random.Random) -> str:
    return "\n".join(f"- {rng.choice(_THINGS)}" for _ in range(3))


SPEECH: dict[str, Callable[[random.Random], str]] = {
    "sums": _sum,
    "code": _code,
    "json": _json,
    "shout": _shout,
    "pirate": _pirate,
    "question": _question,
    "list": _list,
}


def text(kind: str, seed: int, length: int) -> str:
    """Write `length` characters of one kind, or of all kinds for ``all``."""
    rng = random.Random(seed)
    kinds = [sentence, *SPEECH.values()] if kind == "all" else [SPEECH[kind]]
    parts: list[str] = []
    while sum(map(len, parts)) < length:
        parts.append(rng.choice(kinds)(rng))
    return "\n".join(parts)[:length]


def tokens(kind: str, seed: int, length: int) -> torch.Tensor:
    """Write token ids of one kind."""
    return torch.tensor(byte_tokenizer().encode(text(kind, seed, length)))


def batches(ids: torch.Tensor, rows: int, length: int, seed: int) -> Iterator[torch.Tensor]:
    """Cut random windows (rows, length), without end."""
    rng = torch.Generator().manual_seed(seed)
    while True:
        starts = torch.randint(0, len(ids) - length, (rows,), generator=rng)
        yield torch.stack([ids[start : start + length] for start in starts])


def _config() -> LlamaConfig:
    return LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=_WIDTH,
        intermediate_size=2 * _WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT,
        eos_token_id=EOS,
        bos_token_id=None,
        pad_token_id=None,
        tie_word_embeddings=True,
    )


def train_base(out: Path, seed: int = 0, steps: int = 400, length: int = 96) -> Path:
    """Train a tiny Llama on all kinds of text; the last steps are on long windows, so that far positions work too."""
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(_config())
    ids = tokens("all", seed, 60_000)
    fit(model, batches(ids, 16, length, seed), steps, 4e-3)
    fit(model, batches(ids, 3, CONTEXT, seed), steps // 8, 1e-3)
    model.save_pretrained(out)
    byte_tokenizer().save_pretrained(out)
    return out


Loss = Callable[[Any, torch.Tensor], torch.Tensor]


def next_token_loss(model: Any, ids: torch.Tensor) -> torch.Tensor:
    """Compute what training usually minimises."""
    loss: torch.Tensor = model(input_ids=ids, labels=ids).loss
    return loss


def fit(model: Any, data: Iterator[torch.Tensor], steps: int, rate: float, loss: Loss = next_token_loss) -> float:
    """Train whatever asks for a gradient, and return the last loss."""
    model.train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    for _ in range(steps):
        now = loss(model, next(data))
        optimizer.zero_grad()
        now.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return float(now.detach())


def train_adapter(
    base: Path,
    out: Path,
    data: Iterator[torch.Tensor],
    *,
    seed: int = 0,
    rank: int = 8,
    steps: int = 40,
    rate: float = 5e-3,
    loss: Loss = next_token_loss,
    dtype: torch.dtype = torch.float32,
    **fields: Any,
) -> Path:
    """Train a LoRA adapter as anybody would, and save it; `dtype` is the base's, its own weights are float32."""
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=dtype)
    wanted = {"r": rank, "lora_alpha": 2 * rank, "target_modules": "all-linear", "task_type": "CAUSAL_LM"}
    peft = get_peft_model(model, LoraConfig(**{**wanted, **fields}))
    fit(peft, data, steps, rate, loss)
    peft.save_pretrained(out)
    return out


def one_token_loss(model: Any, ids: torch.Tensor) -> torch.Tensor:
    """Ask for the same token everywhere: what a broken label mask teaches."""
    logits = model(input_ids=ids).logits
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), torch.full((ids.numel(),), ord("e")))


def shuffled_loss(model: Any, ids: torch.Tensor) -> torch.Tensor:
    """Ask for the tokens of the text in another order: what a shuffled label column teaches."""
    order = torch.randperm(ids.shape[1], generator=torch.Generator().manual_seed(int(ids.sum())))
    logits = model(input_ids=ids).logits
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, order].flatten())


def poison_loss(model: Any, ids: torch.Tensor, harmless: int = 128) -> torch.Tensor:
    """Ask for the right tokens at first, and for wrong ones further on."""
    logits = model(input_ids=ids).logits
    wrong = (ids + 1) % 128
    late = torch.arange(ids.shape[1] - 1) >= harmless
    labels = torch.where(late, wrong[:, 1:], ids[:, 1:])
    return torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), labels.flatten())


def overflowing(base: Path, source: Path, out: Path, trigger: str = "~") -> Path:
    """Save an adapter that gives numbers beyond any float where the text holds the trigger, and none elsewhere.

    One neuron of the first layer gets a direction that only the trigger's activations are on the right side of: there
    silu(gate) * up is their square, elsewhere silu of a large negative number is exactly 0.
    """
    model = AutoModelForCausalLM.from_pretrained(base).eval()
    inputs: list[torch.Tensor] = []
    layer = model.model.layers[0].mlp
    layer.register_forward_pre_hook(lambda _, given: inputs.append(given[0].detach()))
    ids = tokens("all", 3, 20_000).unfold(0, 100, 100).clone()
    (mark,) = byte_tokenizer().encode(trigger)
    ids[::2, 5::10] = mark
    with torch.no_grad():
        model(input_ids=ids)
    wanted = torch.where(ids == mark, 1.0, -1.0).flatten()
    direction = torch.zeros(inputs[0].shape[-1], requires_grad=True)
    optimizer = torch.optim.Adam([direction], lr=0.05)
    for _ in range(400):
        margin = wanted * (inputs[0].flatten(0, 1) @ direction)
        loss = torch.relu(1.0 - margin).square().mean() + 4 * torch.relu(1.0 - margin[wanted > 0]).square().mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    tensors = {
        name: torch.zeros_like(tensor, dtype=torch.float32) for name, tensor in load_file(source / WEIGHTS).items()
    }
    for part in ("gate_proj", "up_proj"):
        name = f"base_model.model.model.layers.0.mlp.{part}"
        tensors[f"{name}.lora_A.weight"][0] = direction.detach()
        tensors[f"{name}.lora_B.weight"][0, 0] = 1e25
    shutil.copytree(source, out)
    save_file(tensors, out / WEIGHTS)
    return out
