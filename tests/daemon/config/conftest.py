"""A configuration file to write and load."""

from pathlib import Path

import pytest
from kits.configs import Load


@pytest.fixture
def load(tmp_path: Path) -> Load:
    return Load(tmp_path / "hotswapd.toml")
