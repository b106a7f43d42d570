"""Whether the base, the berths for adapters and the cache fit into the memory that is free now."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from transformers import PretrainedConfig

from hotswapd.daemon.config.settings import Settings
from hotswapd.daemon.config.specs import resident_spec
from hotswapd.swap.adapter.contract import Contract
from hotswapd.swap.adapter.oracle import MetaOracle
from hotswapd.swap.adapter.slots import ALL_LINEAR, find_slots
from hotswapd.swap.berths.layout import Layout
from hotswapd.swap.errors import BaseUnusable, DeviceMissing, first_line
from hotswapd.swap.resident.base import base_config, choose_device, choose_dtype
from hotswapd.swap.resident.quantization import bits
from hotswapd.swap.resident.resident import berth_dtype

from .finding import Finding, fails, fine, note

_BASE, _NAME = "base", "memory"
_TIGHT = 0.8
"""Share of the free memory from which it is worth a remark: steps, graphs and other programs need some too."""
_GIB = 2**30


@dataclass(frozen=True, slots=True)
class Need:
    """Bytes on the device. `cache` is the least that serves one full request."""

    weights: int
    berths: int
    cache: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.berths + self.cache

    def __str__(self) -> str:
        """List the parts."""
        return f"base {_gib(self.weights)}, berths {_gib(self.berths)}, cache {_gib(self.cache)}"


def check_memory(settings: Settings | None) -> Iterator[Finding]:
    """Compare what the model needs with what is free. Reads the base's configuration, from the Hub if it is there."""
    if settings is None:
        yield fine(_NAME, f"{_gib(free_bytes(choose_device('auto')))} are free")
        return
    try:
        device = choose_device(settings.model.device)
        config = base_config(settings.model.base, settings.model.revision)
        need = needed(settings, config, choose_dtype(settings.model.dtype, config, device), device)
    except DeviceMissing:
        return  # the check of the device reports it
    except BaseUnusable as error:
        yield fails(_BASE, str(error), "name a directory with a model, or a model on the Hub that you may read")
        return
    except (ValueError, ImportError, KeyError, AttributeError, TypeError) as error:
        yield fails(_BASE, f"{settings.model.base} cannot be built: {first_line(error)}", "use a causal language model")
        return
    if not need.berths:
        yield fails(
            _BASE, f"{settings.model.base} has no module of model.target_modules", "correct model.target_modules"
        )
        return
    yield fine(_BASE, f"{settings.model.base} is a {config.model_type} and can be read")
    yield judge(need, free_bytes(device))


def judge(need: Need, free: int) -> Finding:
    """Compare what is needed with what is free, in bytes."""
    sentence = f"{_gib(need.total)} of {_gib(free)} that are free ({need})"
    if need.total > free:
        remedy = "lower serve.berths, model.max_rank or serve.context_tokens, or take a smaller base or dtype"
        return fails(_NAME, f"it needs {sentence}", remedy)
    if need.total > free * _TIGHT:
        return note(_NAME, f"it needs {sentence}, which leaves little", "lower serve.berths or serve.context_tokens")
    return fine(_NAME, f"it needs {sentence}")


def needed(settings: Settings, config: PretrainedConfig, dtype: torch.dtype, device: torch.device) -> Need:
    """Return what the model needs, from its shapes alone: no weight is read."""
    spec = resident_spec(settings)
    oracle = MetaOracle(config, spec.target_modules)
    weights = sum(parameter.numel() for parameter in oracle.base.parameters()) * dtype.itemsize
    packed = bits(spec.quantization, config)
    if packed:
        linear = sum(slot.inputs * slot.outputs for slot in find_slots(oracle.base, ALL_LINEAR))
        weights -= linear * dtype.itemsize - linear * packed // 8
    image = Layout.of(Contract((), oracle.slots, spec.max_rank, str(dtype)), berth_dtype(dtype, device)).size
    text = config.get_text_config()
    context = min(settings.serve.context_tokens, getattr(text, "max_position_embeddings", 0) or 1 << 30)
    cached = settings.serve.cache_tokens or context
    return Need(weights, image * spec.berths, cached * _token_bytes(text, dtype))


def _token_bytes(text: PretrainedConfig, dtype: torch.dtype) -> int:
    heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
    head = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    return int(2 * text.num_hidden_layers * heads * head * dtype.itemsize)


def free_bytes(device: torch.device) -> int:
    """Return the bytes that a process can have on a device now."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    with open("/proc/meminfo", encoding="ascii") as lines:  # noqa: PTH123 - a file of the kernel
        kilobytes = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    return kilobytes * 1024


def _gib(size: int) -> str:
    return f"{size / _GIB:.1f} GiB" if size >= _GIB / 10 else f"{size / 2**20:.1f} MiB"
