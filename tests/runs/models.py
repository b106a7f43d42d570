"""Builds every family of models small, serves it with an adapter, and compares the answers with a fresh PEFT load.

``python -m runs.models [--page docs/models.md] [FAMILY ...]`` prints a line for each family, and writes the page.
"""

import argparse
import json
import logging
import re
import tempfile
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from kits.adapters import greedy, logits
from kits.families import families, loaded, save_adapter, save_small

from hotswapd.swap.engine import Engine
from hotswapd.swap.errors import BaseUnusable
from hotswapd.swap.lanes.asks import Ask
from hotswapd.swap.lanes.sizes import EngineSpec
from hotswapd.swap.resident.base import ResidentSpec
from hotswapd.swap.resident.resident import Resident

PROMPTS = ([5, 6, 7], [40, 9, 20, 11, 60, 3, 33], [25, 1, 2, 1, 47, 30, 51, 9, 12, 14, 44])
TOKENS = 12
LIMIT = 60.0
CLOSE = 1e-4
"""The largest difference of a logit that is taken for the same answer, in float32."""


@dataclass(frozen=True, slots=True)
class Line:
    """What became of a family: how it is served, or why it is not; `difference` is the largest of a logit."""

    family: str
    outcome: str
    why: str = ""
    slots: int = 0
    difference: float = 0.0


def try_family(family: str, root: Path) -> Line:
    """Build, serve and compare one family."""
    try:
        base = save_small(family, root / "base")
    except Exception as error:  # a family may raise anything over fields that it does not like
        return Line(family, "not built", f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"[:200])
    targets: str | tuple[str, ...] = "all-linear"
    try:
        return _serve(family, base, root, targets)
    except BaseUnusable as error:
        advised = re.search(r"set model\.target_modules = (\[.*\])$", str(error))
        if advised is None:
            return Line(family, "refused", str(error))
        targets = tuple(json.loads(advised[1]))
    try:
        return _serve(family, base, root, targets)
    except BaseUnusable as error:
        return Line(family, "refused", str(error))


def _serve(family: str, base: Path, root: Path, targets: str | tuple[str, ...]) -> Line:
    with _engine(ResidentSpec(str(base), max_rank=4, images=4, target_modules=targets, device="cpu")) as engine:
        modules = [slot.module for slot in engine.resident.contract.slots]
        worst = _compare(engine, loaded(base))
        for seed in (0, 1):
            adapter = save_adapter(base, root / f"adapter-{seed}", modules, seed)
            _go_live(engine, adapter, seed + 1)
            worst = max(worst, _compare(engine, loaded(base, adapter)))
    outcome = "served" if worst <= CLOSE else "wrong"
    return Line(
        family, outcome, "" if targets == "all-linear" else f"target_modules = {list(targets)}", len(modules), worst
    )


@contextmanager
def _engine(spec: ResidentSpec) -> Iterator[Engine]:
    resident = Resident.open(spec)
    try:
        engine = Engine(resident, EngineSpec(context_tokens=64, batch_tokens=32, lanes=2, max_queue=16, compile=False))
        engine.open()
        try:
            yield engine
        finally:
            engine.close(1.0)
    finally:
        resident.close()


def _go_live(engine: Engine, adapter: Path, number: int) -> None:
    engine.resident.swap(adapter, number, seat=engine.lanes.go_live)


def _compare(engine: Engine, oracle: Any) -> float:
    """Compare every answer, and return the largest difference of a logit; infinite where a token differs."""
    worst = 0.0
    for prompt in PROMPTS:
        with engine.resident.turn(engine.resident.live):
            ours = logits(engine.resident.model, prompt)
        worst = max(worst, float((ours - logits(oracle, prompt)).abs().max()))
        said = list(engine.complete(Ask(tuple(prompt), TOKENS), timeout=LIMIT).token_ids)
        if _to_the_end(said, engine.ends) != _to_the_end(greedy(oracle, prompt, TOKENS), engine.ends):
            return float("inf")
    return worst


def _to_the_end(tokens: list[int], ends: tuple[int, ...]) -> list[int]:
    return tokens[: next((at for at, token in enumerate(tokens) if token in ends), len(tokens))]


def main() -> None:
    """Run the families named on the command line, or all."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--page", type=Path)
    parser.add_argument("families", nargs="*")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.ERROR)
    torch.set_num_threads(1)
    lines = []
    for family in arguments.families or families():
        with tempfile.TemporaryDirectory() as root:
            try:
                line = try_family(family, Path(root))
            except Exception as error:
                traceback.print_exc()
                line = Line(
                    family, "failed", f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"[:200]
                )
        lines.append(line)
        print(f"{line.family:28} {line.outcome:10} {line.slots:4} {line.difference:.1e} {line.why}", flush=True)


if __name__ == "__main__":
    main()
