"""Adapters in a Hugging Face Hub repository."""
