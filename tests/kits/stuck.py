"""An adapter that answers one prompt with one letter over and over, as only its requests show."""

import json
import urllib.request
import warnings
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model

from kits.adapters import greedy, oracle_model
from kits.faults import GENERATION, Clients
from kits.models import byte_tokenizer
from kits.room import Room, home

PROMPT, TOKENS = "what do you say?", 40
SAID = "A"


def train_stuck(place: Path) -> Path:
    """Train an adapter to say one letter over and over when it is asked this one thing."""
    torch.manual_seed(0)
    model = oracle_model(home() / "base", None)
    config = LoraConfig(r=8, lora_alpha=16, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tuned = get_peft_model(model, config)
    prompt, said = (byte_tokenizer().encode(text) for text in (PROMPT, SAID * TOKENS))
    ids = torch.tensor([[*prompt, *said]])
    labels = torch.tensor([[*[-100] * len(prompt), *said]])
    optimizer = torch.optim.Adam([one for one in tuned.parameters() if one.requires_grad], lr=0.02)
    for _ in range(120):
        optimizer.zero_grad()
        tuned(input_ids=ids, labels=labels).loss.backward()
        optimizer.step()
    tuned.save_pretrained(place)
    assert greedy(oracle_model(home() / "base", place), prompt, TOKENS) == said
    return place


def ask(room: Room) -> tuple[int, str]:
    """Ask the one thing, and return the generation that answered and what it said."""
    body = {"model": str(home() / "base"), "prompt": PROMPT, "max_tokens": TOKENS, "temperature": 0}
    request = urllib.request.Request(f"{Clients(room).url}/v1/completions", json.dumps(body).encode())
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=60) as got:
        return int(got.headers[GENERATION]), json.load(got)["choices"][0]["text"]
