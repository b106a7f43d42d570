"""Answers in the shapes that clients read: whole, and as the events of a stream."""
