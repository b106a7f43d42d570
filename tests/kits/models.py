"""Tiny base models, built from their configurations with a seed, each saved with a byte-level tokenizer."""

from functools import cache
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    AutoModelForCausalLM,
    Gemma3TextConfig,
    GPT2Config,
    LlamaConfig,
    MixtralConfig,
    Phi3Config,
    PretrainedConfig,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3MoeConfig,
)

EOS = 256
VOCABULARY = 260

_SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 48,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 12,
    "max_position_embeddings": 512,
    "eos_token_id": EOS,
    "bos_token_id": None,
    "pad_token_id": None,
}


def _configuration(kind: str) -> PretrainedConfig:
    if kind == "llama":
        return LlamaConfig(**_SIZES)
    if kind == "qwen3":
        return Qwen3Config(**_SIZES, tie_word_embeddings=True)
    if kind == "gemma3":
        return Gemma3TextConfig(**_SIZES, sliding_window=64, query_pre_attn_scalar=12)
    if kind == "gpt2":
        return GPT2Config(
            vocab_size=VOCABULARY, n_embd=48, n_layer=2, n_head=4, n_positions=512, eos_token_id=EOS, bos_token_id=EOS
        )
    if kind == "phi3":
        sizes = {name: size for name, size in _SIZES.items() if name != "head_dim"}
        return Phi3Config(**{**sizes, "pad_token_id": 0})
    if kind == "mixtral":
        return MixtralConfig(**_SIZES, num_local_experts=4)
    if kind == "qwen3_moe":
        return Qwen3MoeConfig(**_SIZES, moe_intermediate_size=32, num_experts=4, num_experts_per_tok=2)
    raise ValueError(kind)


KINDS = ("llama", "gpt2", "qwen3", "gemma3")
MORE_KINDS = ("phi3", "mixtral", "qwen3_moe")


def tiny(kind: str, directory: Path, seed: int = 0) -> Path:
    """Save a tiny model of this kind, with outputs that differ from token to token, and return its directory."""
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(_configuration(kind))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() >= 2:
                parameter.mul_(4.0 if "embed" in name or "wte" in name else 2.0)
    model.save_pretrained(directory)
    byte_tokenizer().save_pretrained(directory)
    return directory


@cache
def byte_tokenizer() -> PreTrainedTokenizerFast:
    """Make a tokenizer in which a token is a byte, with a chat template."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {character: index for index, character in enumerate(alphabet)}
    vocabulary["<|end|>"] = EOS
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>")
    fast.chat_template = (
        "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}"
        "{% if add_generation_prompt %}assistant: {% endif %}"
    )
    return fast


def text_of(ids: list[int]) -> str:
    """Decode an answer as far as its end."""
    return str(byte_tokenizer().decode(ids[: ids.index(EOS)] if EOS in ids else ids))
