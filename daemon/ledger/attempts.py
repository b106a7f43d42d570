"""TODO daemon/ledger/attempts.py."""

BOOT = "boot"


SWAP = "swap"


"""The kind of attempt that a candidate's way to live is."""
