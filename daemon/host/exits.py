"""The exit codes, which scripts and the service unit rely on."""

from enum import IntEnum


class Exit(IntEnum):
    """How a command ended."""

    FINE = 0
    USAGE = 2
    REJECTED = 3
    UNAVAILABLE = 4
    RESIDENT_LOST = 70
    TRY_AGAIN = 75
    CONFIGURATION = 78
