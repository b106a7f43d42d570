"""Channels: a served name, and everything that decides for it and for no other."""
