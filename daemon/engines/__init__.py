"""Engines hold the model and answer with it: the protocol, and the engine in this process."""
