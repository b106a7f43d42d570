"""Requests: routes, the loop and its schedule, the cache, sampling and text."""
