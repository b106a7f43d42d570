"""An adapter that answers one prompt with one letter over and over, as only its requests show."""

import json
import warnings
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

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


def ask(room: Room, client: int = 1) -> tuple[int, str]:
    """Ask the one thing from 127.0.0.`client`; return the generation that answered and what it said."""
    body = {"model": str(home() / "base"), "prompt": PROMPT, "max_tokens": TOKENS, "temperature": 0}
    server = urlsplit(Clients(room).url)
    source = (f"127.0.0.{client}", 0)
    connection = HTTPConnection(str(server.hostname), server.port, timeout=60, source_address=source)
    with closing(connection):
        connection.request("POST", "/v1/completions", json.dumps(body), {"Content-Type": "application/json"})
        got = connection.getresponse()
        assert got.status == 200
        return int(str(got.getheader(GENERATION))), json.load(got)["choices"][0]["text"]
