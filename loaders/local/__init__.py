"""Adapters in a local folder."""
