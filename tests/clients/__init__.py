"""Clients that people use, unchanged, against the real daemon: `make clients`."""
