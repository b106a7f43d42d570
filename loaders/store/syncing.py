"""Make names outlast a power cut: the name of a file is durable only once its directory is synced."""

import os
from pathlib import Path


def fsync_directory(path: Path) -> None:
    """Make the names in a directory durable. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
