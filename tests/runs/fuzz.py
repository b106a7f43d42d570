"""Mutants of good adapters: exits with 1 unless none crashes and none is taken that an independent checker calls bad.

`python -m runs.fuzz COUNT [SEED]` makes seven of ten by spoiling bytes and three of ten by hypothesis, writes what it
found as JSON and Markdown to build/fuzz, and leaves there every mutant that did what none may.
"""

import json
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from proof.fuzz_campaign import Campaign, by_bytes, by_structure, opened

OUT = Path(__file__).parents[2] / "build" / "fuzz"
_MEMORY = Path("/dev/shm")


def main() -> int:
    count, seed = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1
    torch.set_num_threads(1)
    room = Path(tempfile.mkdtemp(prefix="hotswapd-fuzz-", dir=_MEMORY if _MEMORY.is_dir() else None))
    try:
        campaign, seconds, grown = _run(room, count, seed)
        figures = _figures(campaign, seed, seconds, grown)
        _write(figures, campaign.kept)
    finally:
        shutil.rmtree(room)
    print(json.dumps(figures, indent=1))
    return 0 if not figures["crashes"] and not figures["bad"] and figures["mutants"] >= count else 1


def _run(room: Path, count: int, seed: int) -> tuple[Campaign, float, int]:
    began = time.monotonic()
    with opened(room) as (campaign, pairs):
        for pair in pairs:
            campaign.meet(pair)
        assert campaign.target.accepted == len(pairs), "the adapters that are spoilt must be good before"
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        by_structure(campaign, pairs, count * 3 // 10, seed)
        by_bytes(campaign, pairs, count + len(pairs) - campaign.target.tried, seed)
        campaign.end()
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return campaign, time.monotonic() - began, (after - before) << 10


def _figures(campaign: Campaign, seed: int, seconds: float, grown: int) -> dict[str, Any]:
    target = campaign.target
    return {
        "seed": seed,
        "mutants": target.tried,
        "taken_and_checked": target.accepted,
        "crashes": campaign.crashes,
        "bad": campaign.bad,
        "seconds": round(seconds),
        "slowest_mutant_seconds": round(target.slowest, 3),
        "memory_growth_mib": round(grown / (1 << 20), 1),
        "codes": dict(target.codes.most_common()),
    }


def _write(figures: dict[str, Any], kept: Path) -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "fuzz.json").write_text(json.dumps(figures, indent=1) + "\n")
    rows = [f"| `{code}` | {number:,} |" for code, number in figures["codes"].items()]
    (OUT / "codes.md").write_text("\n".join(("| code | mutants |", "| --- | --- |", *rows)) + "\n")
    if kept.is_dir():
        shutil.copytree(kept, OUT / "kept", dirs_exist_ok=True)


if __name__ == "__main__":
    sys.exit(main())
