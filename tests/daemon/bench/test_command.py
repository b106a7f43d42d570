"""The benchmark end to end, in its smallest form; what is fast on which machine is never asserted."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hotswapd.daemon.bench.measure.pause import WHAT as PAUSES
from hotswapd.daemon.bench.render import main as render
from hotswapd.daemon.cli import main

pytestmark = pytest.mark.slow

_QUICK = ["--rounds", "2", "--ranks", "16,2", "--window", "0.4", "--folders", "3,12", "--rows", "200"]


def _series(result: dict[str, Any]) -> dict[str, Any]:
    return {one["key"]: one for one in result["series"]}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str, Path]:
    """Run the command once as users do: what it wrote as JSON, what it printed, and where its files are."""
    room = tmp_path_factory.mktemp("bench")
    what = ["--only", "pause,staging,serving,disturbing,watching,scanning,remembering"]
    command = [sys.executable, "-m", "hotswapd.daemon.cli", "bench", "--preset", "tiny", *_QUICK, *what]
    files = ["--json", str(room / "out.json"), "--plot", str(room / "out.svg"), "--room", str(room)]
    done = subprocess.run(
        [*command, *files],
        check=False,
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads((room / "out.json").read_text()), done.stdout, room


def test_the_json_says_where_and_with_what(run: tuple[dict[str, Any], str, Path]) -> None:
    """Machine, versions and preset are there, and nothing failed."""
    result, _, room = run
    assert result["failed"] == []
    assert set(result["machine"]["versions"]) == {"hotswapd", "torch", "transformers", "peft", "safetensors"}
    assert result["machine"]["cores"] == os.cpu_count()
    assert result["preset"]["name"] == "tiny"
    assert sorted(path.name for path in room.iterdir()) == ["out.json", "out.svg"]


def test_every_figure_has_a_unit_and_its_samples(run: tuple[dict[str, Any], str, Path]) -> None:
    """The median lies within the spread, and n is the number of samples."""
    for one in run[0]["series"]:
        assert one["unit"] in ("s", "x", "MB/s", "1/s", "bytes", ""), one["key"]
        assert one["n"] == len(one["samples"]) > 0
        assert all(math.isfinite(sample) for sample in one["samples"])
        assert one["low"] <= one["median"] <= one["high"]


def test_every_promised_measurement_is_there(run: tuple[dict[str, Any], str, Path]) -> None:
    """Pauses of every way and their ratios, staging of each size, serving each way, growth of each kind."""
    found = _series(run[0])
    assert {f"pause.{name}" for name in PAUSES} <= set(found)
    assert "pause.ours/pause.limit" in found
    assert {f"{name}/pause.ours" for name in ("pause.peft_disk", "pause.peft_tensors")} <= set(found)
    assert {f"staging.{way}.rank{rank}" for way in ("ours", "load") for rank in (2, 16)} <= set(found)
    ways = ("never", "every_0.1s", "every_1s", "every_3s", "drain_every_1s", "restart_every_1s")
    assert {f"serving.{way}.{what}" for way in ways for what in ("tokens", "first_token", "gap")} <= set(found)
    assert {f"serving.every_0.1s.{what}" for what in ("two_busy", "swap")} <= set(found)
    assert {"watching.on.cpu/watching.off.cpu", "watching.request", "watching.share"} <= set(found)
    assert {f"scale.{kind}.scan.{count}" for kind in ("folder", "s3") for count in (3, 12)} <= set(found)
    assert {f"scale.ledger.history.{rows}" for rows in (20, 200)} <= set(found)
    assert {f"scale.berths.held.{berths}" for berths in (1, 4, 16)} <= set(found)
    assert {f"scale.cache.bytes.{tokens}" for tokens in (2048, 8192)} <= set(found)


def test_what_was_measured_really_ran(run: tuple[dict[str, Any], str, Path]) -> None:
    """Tokens came, swaps happened under load without a failed request, and every adapter was seen."""
    found = _series(run[0])
    assert all(sample > 0 for sample in found["serving.never.tokens"]["samples"])
    assert found["serving.every_0.1s.tokens"]["facts"]["swaps"] > 0
    assert all(found[f"beside.{way}.tokens"]["facts"]["times"] > 0 for way in ("swap", "gate", "staging"))
    assert found["beside.never.tokens"]["facts"]["times"] == 0
    assert all(one["facts"]["errors"] == 0 for key, one in found.items() if key.endswith(".tokens") and "/" not in key)
    assert found["scale.folder.scan.12"]["facts"] == {"adapters": 12, "settled": 12}
    assert found["scale.s3.scan.12"]["facts"] == {"adapters": 12, "settled": 12}


def test_ratios_and_goals_follow_from_the_samples(run: tuple[dict[str, Any], str, Path]) -> None:
    """What the file claims can be computed again from it, whether it is met or not."""
    result = run[0]
    found = _series(result)
    pairs = zip(found["pause.ours"]["samples"], found["pause.limit"]["samples"], strict=True)
    assert found["pause.ours/pause.limit"]["samples"] == pytest.approx([a / b for a, b in pairs])
    goals = {goal["key"]: goal for goal in result["goals"]}
    assert goals["pause.route"]["value"] == found["pause.ours"]["median"]
    for goal in goals.values():
        within = goal["value"] <= goal["limit"] if goal["at_most"] else goal["value"] >= goal["limit"]
        assert goal["met"] is within


def test_plain_lines_and_plot_say_the_same(run: tuple[dict[str, Any], str, Path], tmp_path: Path) -> None:
    """Without a terminal each figure is one line with its n; the plot and the page can be made."""
    result, printed, room = run
    assert all(
        f"n={one['n']}" in line
        for one in result["series"]
        for line in printed.splitlines()
        if line.split(" ")[0] == one["key"]
    )
    assert {one["key"] for one in result["series"]} <= {line.split(" ")[0] for line in printed.splitlines()}
    assert "<svg" in (room / "out.svg").read_text()[:1000]
    page = tmp_path / "page.md"
    page.write_text("<!-- tiny -->\n<!-- /tiny -->\n")
    render([str(page), f"tiny={room / 'out.json'}"])
    assert "| `pause.ours` |" in page.read_text()


def test_an_unknown_measurement_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """With status 2 and the names that there are, before anything is measured."""
    assert main(["bench", "--only", "pause,speed"]) == 2
    assert "no such measurement: speed" in capsys.readouterr().err
