"""The names of an adapter's files, and how deep they may lie."""

from typing import Literal

CONFIG: Literal["adapter_config.json"] = "adapter_config.json"
WEIGHTS: Literal["adapter_model.safetensors"] = "adapter_model.safetensors"
MANIFEST = "hotswapd_manifest.json"
PICKLE = "adapter_model.bin"
FileName = Literal["adapter_config.json", "adapter_model.safetensors"]

TOKENIZER = ("tokenizer_config.json", "added_tokens.json", "chat_template.jinja")
"""What may lie beside an adapter and says with which tokenizer it was trained. No part of its digest."""
BESIDE = (*TOKENIZER, MANIFEST)
"""All that is copied beside an adapter if it is there and not too large."""
MAX_TOKENIZER_BYTES = 1 << 20

# No config that PEFT writes is nearly as large.
MAX_CONFIG_BYTES = 256 << 10
# How deep below a source's own directory an adapter may lie.
MAX_DEPTH = 4
