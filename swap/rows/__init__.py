"""Requests: lanes, their seats, the loop, sampling and text."""
