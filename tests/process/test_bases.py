"""The real daemon with the bases and the names that people have."""

import hashlib
import json
import shutil
import signal
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from kits.adapters import edit_config, edit_tensors, greedy, make_adapter
from kits.bases import UNSERVED, base_with_code, base_without_weights
from kits.families import loaded, save_adapter, save_small
from kits.folders import CONFIG, WEIGHTS
from kits.models import EOS, VOCABULARY, byte_tokenizer, text_of, tiny
from kits.room import Room, home, make_room

from hotswapd.daemon.cli import main

PROMPT = b"the moon"


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    with make_room(tmp_path / "room") as made:
        yield made


def ask(room: Room, base: Path) -> dict[str, Any]:
    """Have the prompt continued, greedily."""
    url = f"http://{room.events('listening')[-1]['http']}/v1/completions"
    body = json.dumps({"model": str(base), "prompt": list(PROMPT), "max_tokens": 8, "temperature": 0}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as got:
        return dict(json.load(got))


@pytest.mark.parametrize("family", ["blip-2", "bart", "t5"])
def test_a_base_that_is_never_served_ends_the_start_with_78(room: Room, tmp_path: Path, family: str) -> None:
    """Before any of its weights are loaded: there are none. The sentence is that of ``check``."""
    fields, words = UNSERVED[family]
    base = base_without_weights(tmp_path / "odd", family, **fields)
    assert room.start(HOTSWAPD_MODEL__BASE=str(base)).wait() == 78
    assert words in room.until_logged("cannot_start")["detail"]
    assert not room.events("worker_failed")
    assert not any("loading" in line["detail"] for line in room.events("starting"))


def test_a_base_that_sees_is_served_for_text(room: Room, tmp_path: Path) -> None:
    """With an adapter whose names transformers 4.50 wrote; answered as PEFT answers, which renames them."""
    base = save_small("gemma3", tmp_path / "seeing", vocab_size=VOCABULARY, eos_token_id=EOS)
    byte_tokenizer().save_pretrained(base)
    modules = [name for name, _ in loaded(base).named_modules() if "language" in name and name.endswith("_proj")]
    adapter = save_adapter(base, tmp_path / "old", modules)
    new, old = "base_model.model.model.language_model.", "base_model.model.language_model.model."
    edit_tensors(lambda tensors: {name.replace(new, old): tensor for name, tensor in tensors.items()})(adapter)
    edit_config(target_modules=r".*language_model.*_proj", base_model_name_or_path="some/gemma-3-4b")(adapter)
    room.ready(HOTSWAPD_MODEL__BASE=str(base), HOTSWAPD_ADMISSION__BASE_MODELS='["*"]')
    place = adapter.rename(room.root / "adapters" / "old")
    assert room.outcome(place.as_uri())["state"] == "LIVE"
    answer = ask(room, base)
    assert answer["system_fingerprint"].startswith("hotswapd-g1-")
    assert answer["choices"][0]["text"] == text_of(greedy(loaded(base, place), list(PROMPT), 8))


@pytest.mark.parametrize("family", ["falcon", "mamba", "gemma2"])
def test_a_family_of_its_own_way_is_served(room: Room, tmp_path: Path, family: str) -> None:
    """Position biases, recurrent states, soft-capped scores: if need be one request at a time, as the status says."""
    base = save_small(family, tmp_path / "base", vocab_size=VOCABULARY, eos_token_id=EOS)
    byte_tokenizer().save_pretrained(base)
    names = {"falcon": ["query_key_value", "dense"], "mamba": ["in_proj", "x_proj"]}.get(
        family, ["q_proj", "down_proj"]
    )
    adapter = save_adapter(base, tmp_path / "run", names)
    edit_config(base_model_name_or_path=None)(adapter)
    room.ready(HOTSWAPD_MODEL__BASE=str(base))
    assert bool(room.status()["resident"]["one_at_a_time"]) == (family != "gemma2")
    place = adapter.rename(room.root / "adapters" / "run")
    assert room.outcome(place.as_uri())["state"] == "LIVE", room.tail()
    answer = ask(room, base)
    assert answer["system_fingerprint"].startswith("hotswapd-g1-")
    assert answer["choices"][0]["text"] == text_of(greedy(loaded(base, place), list(PROMPT), 8))


def test_code_of_a_base_is_not_run_by_the_daemon(room: Room, tmp_path: Path) -> None:
    base = base_with_code(tmp_path / "odd")
    assert room.start(HOTSWAPD_MODEL__BASE=str(base)).wait() == 78
    assert "model.trust_remote_code" in room.until_logged("cannot_start")["detail"]
    assert not (base / "ran").exists()


def test_an_adapter_without_a_base_is_live_with_a_warning(room: Room) -> None:
    """The ledger keeps the warning beside the verdicts of the gates; with ``exact`` it would be refused."""
    path = home() / "run-0" / CONFIG
    nameless = json.loads(path.read_text()) | {"base_model_name_or_path": None}
    room.ready()
    place, part = room.root / "adapters" / "nameless", room.root / "adapters" / ".nameless.part"
    part.mkdir()
    for file in (home() / "run-0").iterdir():
        (part / file.name).write_bytes(file.read_bytes())
    (part / CONFIG).write_text(json.dumps(nameless))
    part.rename(place)
    row = room.outcome(place.as_uri())
    assert row["state"] == "LIVE"
    first = row["verify"][0]
    assert (first["gate"], first["outcome"], first["code"]) == ("admission", "warned", "base_unnamed")
    assert "base_model_name_or_path: wanted" in first["sentence"]


@pytest.fixture
def changing(room: Room, tmp_path: Path) -> Path:
    """A base that is written over with other weights, after an adapter was live on it and the daemon ended."""
    base = tiny("llama", tmp_path / "base")
    adapter = make_adapter(base, tmp_path / "run", targets=["q_proj", "v_proj"])
    room.environ |= {"HOTSWAPD_MODEL__BASE": str(base), "HOTSWAPD_ADMISSION__BASE_MODELS": '["*"]'}
    room.ready()
    assert room.outcome(adapter.rename(room.root / "adapters" / "run").as_uri())["state"] == "LIVE"
    assert room.status()["base_changed"] is None
    room.process.signal(signal.SIGTERM)
    assert room.process.wait() == 0
    return tiny("llama", base, seed=1)


def test_on_a_changed_base_the_gates_decide_again(room: Room, changing: Path) -> None:
    """Nobody had to ask; what is live then was verified on the weights that are served."""
    room.ready()
    assert "differs in its weights" in room.until_logged("base_changed")["detail"]
    assert "differs in its weights" in room.status()["base_changed"]
    room.until(lambda: room.live() == 2, "it is not live again")
    assert [row["state"] for row in room.client.get("/history")] == ["LIVE"]
    room.process.signal(signal.SIGTERM)
    assert room.process.wait() == 0
    room.ready()
    assert (room.live(), room.status()["base_changed"]) == (2, None)


def test_a_changed_base_may_be_refused(room: Room, changing: Path) -> None:
    """Then it answers alone, and goes on to do so."""
    for _ in range(2):
        room.ready(HOTSWAPD_MODEL__ON_BASE_CHANGE="refuse")
        assert room.live() == 0
        (row,) = room.client.get("/history")
        assert (row["state"], row["reason"]) == ("RETIRED", "base_changed")
        room.process.kill()


def test_a_changed_base_may_be_accepted(room: Room, changing: Path) -> None:
    """The last generation is live at once, under its own number."""
    room.ready(HOTSWAPD_MODEL__ON_BASE_CHANGE="accept")
    assert room.live() == 1
    assert room.until_logged("base_changed")["then"] == "accept"


def test_what_was_published_for_another_base_is_refused(
    room: Room, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same adapter, from `hotswapd publish` with the served base, is taken."""
    other = tiny("llama", tmp_path / "other" / "base", seed=7)
    folder, configured = room.root / "adapters", ["--config", str(room.config)]
    room.ready()
    outcomes = []
    for name, base in (("wrong", other), ("right", home() / "base")):
        assert main(["publish", str(home() / "run-0"), str(folder / name), *configured, "--base", str(base)]) == 0
        row = room.outcome((folder / name).as_uri())
        outcomes.append((row["state"], row["reason"]))
    assert outcomes == [("REJECTED", "base_differs"), ("LIVE", None)]
    assert main(["check", str(folder / "wrong"), *configured]) == 3
    assert "base_differs" in capsys.readouterr().out


def test_a_checkout_without_its_large_files_is_called_that(room: Room) -> None:
    """Nobody writes to it any more, so it is refused and not waited for; with the files it is taken."""
    room.ready()
    place, part = room.root / "adapters" / "checkout", room.root / "adapters" / ".checkout.part"
    shutil.copytree(home() / "run-0", part)
    for name in (CONFIG, WEIGHTS):
        oid = hashlib.sha256((part / name).read_bytes()).hexdigest()
        (part / name).write_text(f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize 9\n")
    part.rename(place)
    refused = room.outcome(place.as_uri())
    assert (refused["state"], refused["reason"]) == ("REJECTED", "git_lfs_pointer")
    assert "git lfs pull" in refused["detail"]
    for name in (WEIGHTS, CONFIG):
        shutil.copy(home() / "run-0" / name, place / name)
    room.until(lambda: room.live() == 1, "it is not taken")


@pytest.mark.parametrize(
    ("quantization", "package"),
    [("bnb-4bit", "bitsandbytes"), ("bnb-8bit", "bitsandbytes"), ("torchao-int8", "torchao")],
)
def test_a_quantised_base_is_served_or_its_package_asked_for(
    room: Room, tmp_path: Path, quantization: str, package: str
) -> None:
    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 4, "head_dim": 16}
    base = save_small("llama", tmp_path / "base", vocab_size=VOCABULARY, eos_token_id=EOS, **sizes)
    byte_tokenizer().save_pretrained(base)
    adapter = save_adapter(base, tmp_path / "run", ["q_proj", "down_proj"])
    edit_config(base_model_name_or_path=None)(adapter)
    process = room.start(HOTSWAPD_MODEL__BASE=str(base), HOTSWAPD_MODEL__QUANTIZATION=quantization)
    if find_spec(package) is None:
        assert process.wait() == 78
        assert f"pip install {package}" in room.until_logged("cannot_start")["detail"]
        return
    room.expect("READY")
    place = adapter.rename(room.root / "adapters" / "run")
    assert room.outcome(place.as_uri())["state"] == "LIVE", room.tail()
    assert ask(room, base)["system_fingerprint"].startswith("hotswapd-g1-")
