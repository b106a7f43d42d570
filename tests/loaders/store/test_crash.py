"""The process may die at any step of a commit: what has a name is whole, and the pointer points at it."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hotswapd.loaders.files import CONFIG, WEIGHTS
from hotswapd.loaders.store.store import Store

# Dies, without any clean-up, at the n-th write, sync or rename.
DYING = """
import os, sys
from pathlib import Path
from hotswapd.loaders.store.store import Store

left = int(sys.argv[2])

def dying(call):
    def step(*args, **kwargs):
        global left
        left -= 1
        if left == 0:
            os._exit(9)
        return call(*args, **kwargs)
    return step

store = Store(Path(sys.argv[1]), reserve_bytes=0)
for name in ("write", "fsync", "rename"):
    setattr(os, name, dying(getattr(os, name)))
with store.stage() as stage:
    stage.write("adapter_config.json", [b"{}"], 100)
    stage.write("adapter_model.safetensors", [b"new ", b"weights"], 100)
    artifact = stage.commit()
store.point({"digest": artifact.digest})
"""
STEPS = 12


def commit_and_point(root: Path, dies_at: int) -> int:
    """Return the exit status of a process that dies at that step."""
    command = [sys.executable, "-c", DYING, str(root), str(dies_at)]
    return subprocess.run(command, check=False, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}).returncode


@pytest.mark.parametrize("dies_at", range(1, STEPS + 1))
def test_a_death_at_any_step_leaves_a_sound_store(tmp_path: Path, dies_at: int) -> None:
    with (store := Store(tmp_path, reserve_bytes=0)).stage() as stage:
        stage.write(CONFIG, [b"{}"], 100)
        stage.write(WEIGHTS, [b"old"], 100)
        old = stage.commit()
    store.point({"digest": old.digest})
    assert commit_and_point(tmp_path, dies_at) == 9
    after = Store(tmp_path, reserve_bytes=0)
    after.wipe_stages()
    assert os.listdir(tmp_path / "stages") == []
    for path in (tmp_path / "artifacts").iterdir():
        content = (path / CONFIG).read_bytes() + (path / WEIGHTS).read_bytes()
        assert hashlib.sha256(content).hexdigest() == path.name
    pointer = after.pointer()
    assert pointer is not None
    assert after.find(pointer["digest"]) is not None
    assert commit_and_point(tmp_path, 0) == 0
    assert json.loads((tmp_path / "current.json").read_bytes())["digest"] != old.digest


def test_the_steps_above_are_all_there_are(tmp_path: Path) -> None:
    assert commit_and_point(tmp_path, STEPS) == 9
    assert commit_and_point(tmp_path / "other", STEPS + 1) == 0
