"""How large the engine is, as it is configured. Imports no torch."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """Sizes; the fields are those of the configuration's [serve] table. `compile` is ``auto``, True or False.

    `host_bytes` is what parked adapters may take in host memory; 0 is a quarter of what is free at start.
    """

    context_tokens: int = 4096
    cache_tokens: int = 0
    batch_tokens: int = 2048
    max_queue: int = 256
    max_requests: int = 64
    compile: str | bool = "auto"
    host_bytes: int = 0
