"""hotswapd: one resident model, and each new LoRA adapter made live in place."""

__version__ = "0.1.0"
