"""How the sources scale: what a scan costs, and how much memory its result takes, as the adapters grow in number."""

import json
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hotswapd.daemon.bench.samples import Findings
from hotswapd.daemon.bench.scene import CONFIG, WEIGHTS, Scene
from hotswapd.daemon.bench.storage import NoStorage, s3_server

_CONFIG = json.dumps({"peft_type": "LORA", "r": 1}).encode()
_HEADER = json.dumps({"x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
FILES = {CONFIG: _CONFIG, WEIGHTS: struct.pack("<Q", len(_HEADER)) + _HEADER + bytes(4)}
_LIMIT = 3600.0


def measure(scene: Scene) -> Findings:
    """Scan folders and S3 prefixes of growing size."""
    found = Findings()
    for count in scene.preset.folders:
        folder = scene.room / f"folder-{count}"
        fill_folder(folder, count)
        _note(found, "folder", count, _probe(str(folder), scene.preset.rounds, {}))
        shutil.rmtree(folder)
    try:
        with s3_server(scene.room / "s3") as server:
            for count in scene.preset.folders:
                place = server.fill(f"many-{count}", count, FILES)
                _note(found, "s3", count, _probe(place, min(5, scene.preset.rounds), server.environment))
    except NoStorage as error:
        found.skipped.append(f"scale.s3: {error}")
    return found


def fill_folder(folder: Path, count: int) -> None:
    """Write `count` complete adapters of a few hundred bytes, 1,000 to a directory."""
    for number in range(count):
        place = folder / f"{number // 1000}" / f"run-{number}"
        place.mkdir(parents=True)
        for name, content in FILES.items():
            (place / name).write_bytes(content)


def _probe(place: str, scans: int, environment: Mapping[str, str]) -> dict[str, Any]:
    command = [sys.executable, "-m", "hotswapd.daemon.bench.scan_probe", place, str(scans)]
    environ = {**os.environ, **environment}
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=_LIMIT, env=environ)
    if done.returncode:
        raise RuntimeError(f"scanning {place} failed: {done.stderr.strip()[-500:]}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _note(found: Findings, kind: str, count: int, got: dict[str, Any]) -> None:
    facts = {"adapters": got["adapters"], "settled": got["settled"]}
    found.add(f"scale.{kind}.first.{count}", f"{kind}: first scan of {count} adapters", "s", [got["first"]], **facts)
    found.add(f"scale.{kind}.scan.{count}", f"{kind}: a scan in which nothing is new", "s", got["again"], **facts)
    what = f"{kind}: resident memory that {count} adapters add to the source"
    found.add(f"scale.{kind}.memory.{count}", what, "bytes", [got["bytes"]], **facts)
