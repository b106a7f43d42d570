"""What a test needs from the machine: without it the test is skipped, and in CI it fails."""

import os

import pytest


def need(found: object, what: str) -> None:
    """Skip this test unless what it needs was found; where CI is set nothing may be missing."""
    if found:
        return
    sentence = f"{what} is not installed: run scripts/install_test_packages.sh"
    if os.environ.get("CI"):
        pytest.fail(sentence)
    pytest.skip(sentence)
