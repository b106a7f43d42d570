"""The private copies: immutable directories named by digest, and the pointer."""
