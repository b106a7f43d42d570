"""Which names mean the same base: a row for each kind of name that people have."""

import pytest

from hotswapd.swap.adapter.base_names import Kinship, closest, kinship

LLAMA, QWEN = "meta-llama/Meta-Llama-3-8B", "Qwen/Qwen2.5-7B-Instruct"
SAME = [
    (LLAMA, LLAMA),
    (LLAMA, "unsloth/llama-3-8b-bnb-4bit"),
    (LLAMA, "unsloth/llama-3-8b"),
    (LLAMA, "/home/x/models/Meta-Llama-3-8B"),
    (LLAMA, "./models/Meta-Llama-3-8B/"),
    (LLAMA, "D:\\models\\Meta-Llama-3-8B"),
    (LLAMA, "someone/Meta-Llama-3-8B-GPTQ"),
    (LLAMA, "someone/Meta-Llama-3-8B-hf"),
    (LLAMA, "someone/Meta-Llama-3-8B-AWQ-INT4"),
    (LLAMA, "RedHatAI/Meta-Llama-3-8B-FP8-dynamic"),
    (LLAMA, "mlx-community/Meta-Llama-3-8B-4bit"),
    (LLAMA, "/root/.cache/huggingface/hub/models--meta-llama--Meta-Llama-3-8B/snapshots/62bd457b6fe961a42a6"),
    (QWEN, "unsloth/Qwen2.5-7B-Instruct-unsloth-bnb-4bit"),
    (QWEN, "unsloth/qwen2.5-7b-instruct"),
    (QWEN, "Qwen/Qwen2.5-7B-Instruct-GPTQ-Int4"),
    ("meta-llama/Llama-2-7b-hf", "NousResearch/Llama-2-7b"),
    ("mistralai/Mixtral-8x7B-v0.1", "/data/mixtral-8x7b-v0.1"),
    ("openai-community/gpt2", "gpt2"),
    ("google/gemma-2b", "unsloth/gemma-2b-bnb-4bit"),
    ("microsoft/phi-2", "microsoft_phi-2"),
    ("org/llama3-8b", "org/llama-3-8b"),
]
RELATED = [
    (LLAMA, "meta-llama/Llama-3.1-8B"),
    (LLAMA, "meta-llama/Meta-Llama-3-8B-Instruct"),
    (LLAMA, "unsloth/llama-3-8b-Instruct-bnb-4bit"),
    ("Qwen/Qwen3-8B", "Qwen/Qwen3-8B-Base"),
    ("Qwen/Qwen2-7B", "Qwen/Qwen2.5-7B"),
    ("Qwen/Qwen2.5-7B", "Qwen/Qwen2.5-Coder-7B"),
    ("mistralai/Mistral-7B-v0.1", "mistralai/Mistral-7B-v0.3"),
    ("google/gemma-3-4b-pt", "gemma-3-4b"),
    ("/home/x/run/final", "/home/y/other/final"),
]
OTHER = [
    (LLAMA, "meta-llama/Meta-Llama-3-70B"),
    (LLAMA, "meta-llama/Llama-2-8b"),
    (LLAMA, "mistralai/Mistral-7B-v0.1"),
    (LLAMA, "Qwen/Qwen3-8B"),
    (LLAMA, "meta-llama/Meta-Llama-3"),
    (LLAMA, "./output/checkpoint-500"),
    (LLAMA, "8B"),
    (LLAMA, "3-8b"),
    (LLAMA, ""),
    (LLAMA, "/"),
    (LLAMA, "///"),
    (QWEN, "Qwen/Qwen2.5-1.5B-Instruct"),
    ("Qwen/Qwen2.5-1.5B", "Qwen/Qwen2.5-1.7B"),
    ("google/gemma-3-4b-pt", "google/gemma-3-4b-it"),
    ("google/gemma-3-4b-it", "google/gemma-3n-4b-it"),
    ("microsoft/Phi-3-mini-4k-instruct", "microsoft/Phi-3-mini-128k-instruct"),
    ("mistralai/Mixtral-8x7B-v0.1", "mistralai/Mixtral-8x22B-v0.1"),
    ("org/base", "org/other"),
    ("/tmp/a/base", "/tmp/b/model"),
]
TABLE = [(*pair, kin) for kin, pairs in zip(reversed(Kinship), (SAME, RELATED, OTHER), strict=True) for pair in pairs]


@pytest.mark.parametrize(("one", "other", "kin"), TABLE)
def test_two_names_have_this_kinship(one: str, other: str, kin: Kinship) -> None:
    """Whichever of the two is served."""
    assert kinship(one, other) == kinship(other, one) == kin


def test_the_closest_of_the_accepted_names_counts() -> None:
    assert closest("x/llama-3-8b", ("Qwen/Qwen3-8B", "y/Llama-3.1-8B", LLAMA)) == Kinship.SAME
    assert closest("x/llama-3-8b", ("Qwen/Qwen3-8B", "y/Llama-3.1-8B")) == Kinship.RELATED
    assert closest("x/llama-3-8b", ()) == Kinship.OTHER


@pytest.mark.parametrize(
    "name", ["-4bit" * 20_000, "a-" * 500_000, "models--" * 10_000, "1." * 500_000, "1x" * 400_000]
)
def test_a_hostile_name_costs_nothing(name: str) -> None:
    assert kinship(name, LLAMA) == Kinship.OTHER
