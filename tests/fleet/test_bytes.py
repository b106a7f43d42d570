"""The bytes of a large adapter on one machine with three replicas: once while they stage it, and then not at all."""

import tempfile
from pathlib import Path

import pytest
from kits import real_ray
from kits.adapters import make_adapter
from kits.fleet_bytes import looking
from kits.fleet_ray import Sizes, running
from kits.fleet_watched import START
from kits.models import byte_tokenizer
from kits.waiting import until
from transformers import AutoModelForCausalLM, LlamaConfig

from hotswapd.daemon.fleet.serving.replica import machine_room
from hotswapd.loaders.files import WEIGHTS
from hotswapd.loaders.store.store import digest_of

pytestmark = real_ray.within(1800)
REPLICAS, RANK = 3, 1024
_BASE = LlamaConfig(
    vocab_size=260,
    hidden_size=2048,
    intermediate_size=4096,
    num_hidden_layers=2,
    num_attention_heads=16,
    num_key_value_heads=16,
    max_position_embeddings=512,
    eos_token_id=256,
    bos_token_id=None,
    pad_token_id=None,
)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("wide") / "base"
    AutoModelForCausalLM.from_config(_BASE).save_pretrained(where)
    byte_tokenizer().save_pretrained(where)
    return where


def test_an_adapters_bytes_are_once_on_a_machine(base: Path, tmp_path: Path) -> None:
    adapter = make_adapter(base, tmp_path / "adapter", rank=RANK, scale=0.001)
    size = (adapter / WEIGHTS).stat().st_size
    with running(base, REPLICAS, sizes=Sizes(berths=2, max_rank=RANK, most=1 << 30)) as fleet:
        room = machine_room(fleet.together.trail().place)
        assert room.is_relative_to(tempfile.gettempdir())
        with looking(room) as seen:
            assert fleet.watched.change(a=adapter) == "live"
            until(lambda: seen.now() == 0, "the bytes stay", START)
        verified = [digest_of(adapter) in fleet.notes.first("verified", member) for member in fleet.notes.pids()]
    row = f"{size / 1e6:.0f} MB on {REPLICAS} replicas of one machine: at most {seen.most / 1e6:.0f} MB at once"
    print(f"\n{row} in {seen.files} file, and none after all had staged it")
    assert verified == [True] * REPLICAS
    assert seen.files == 1
    assert size <= seen.most < 1.01 * size
