"""Builds every family of models small, serves it with adapters, and compares the answers with a fresh PEFT load.

``python -m runs.models [--page docs/models.md] [FAMILY ...]`` prints a line for each family; the page is written anew.
"""

import argparse
import logging
import tempfile
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from kits.adapters import greedy, logits
from kits.families import families, loaded, save_adapter, save_small
from kits.residents import staged
from transformers.utils.logging import disable_progress_bar

from hotswapd.swap.berths.image import Image
from hotswapd.swap.engine import Engine
from hotswapd.swap.errors import BaseUnusable
from hotswapd.swap.resident.resident import Resident
from hotswapd.swap.resident.spec import ResidentSpec
from hotswapd.swap.rows.asks import Ask
from hotswapd.swap.rows.completion import Completion
from hotswapd.swap.rows.spec import EngineSpec

from .models_page import Line, write_page

PROMPTS = ([5, 6, 7], [25, 1, 2, 1, 47, 30, 51, 9, 12, 14, 44])
TOKENS = 10
LIMIT = 60.0
TOP = 20
CLOSE = 1e-4
"""The largest difference that is taken for the same answer, in float32."""
_ITSELF = "the base model itself cannot run"
"""What is said of a configuration that is too small for its family."""


def try_family(family: str, root: Path) -> Line:
    """Build, serve and compare one family."""
    try:
        base = save_small(family, root / "base")
    except Exception as error:  # a family may raise anything over fields that it does not like
        return Line(family, "not built", f"{type(error).__name__}: {_first(error)}")
    try:
        return _try_to_serve(Line(family), base, root)
    except Exception as error:
        if _runs_alone(base):
            raise
        return Line(family, "not built", f"it does not run: {type(error).__name__}: {_first(error)}")


def _runs_alone(base: Path) -> bool:
    """Tell whether transformers itself answers with it: else its configuration is too small for its family."""
    try:
        greedy(loaded(base), PROMPTS[0], 1)
    except Exception:  # a family may raise anything
        return False
    return True


def _try_to_serve(line: Line, base: Path, root: Path) -> Line:
    try:
        return _serve(line, base, root)
    except BaseUnusable as error:
        why = _first(error).replace(repr(str(base)), "…")
        return replace(line, outcome="not built" if _ITSELF in why else "refused", why=why)


def _serve(line: Line, base: Path, root: Path) -> Line:
    with _engine(ResidentSpec(str(base), max_rank=4, device="cpu")) as engine:
        modules = [slot.module for slot in engine.resident.contract.slots]
        line = replace(line, kind=type(engine.resident.model).__name__, slots=len(modules))
        line = replace(line, plain=engine.plain)
        worst = _compare(engine, loaded(base), engine.resident.base_image)
        adapter = save_adapter(base, root / "adapter", modules)
        with staged(engine.resident, adapter) as image:
            engine.route(image, 1)
            worst = max(worst, _compare(engine, loaded(base, adapter), image))
    return replace(line, outcome="served" if worst <= CLOSE else "wrong", difference=worst)


@contextmanager
def _engine(spec: ResidentSpec) -> Iterator[Engine]:
    resident = Resident.open(spec)
    try:
        engine = Engine(resident, EngineSpec(context_tokens=64, batch_tokens=32, max_queue=16, compile=False))
        engine.open()
        try:
            yield engine
        finally:
            engine.close(1.0)
    finally:
        resident.close()


def _compare(engine: Engine, oracle: Any, image: Image) -> float:
    """Compare every answer, and return the largest difference of a number; infinite where a token differs.

    Numbers are the logits that the gates see, and the log-probabilities that the loop gives with each token.
    """
    worst = 0.0
    for prompt in PROMPTS:
        with engine.resident.visit(image):
            ours = logits(engine.resident.model, prompt)
        wanted = logits(oracle, prompt)
        worst = max(worst, float((ours - wanted).abs().max() / wanted.abs().max().clamp_min(1.0)))
        answer = engine.complete(Ask(tuple(prompt), TOKENS, logprobs=TOP), timeout=LIMIT)
        if _to_the_end(list(answer.token_ids), engine.ends) != _to_the_end(greedy(oracle, prompt, TOKENS), engine.ends):
            return float("inf")
        worst = max(worst, _apart(answer, prompt, oracle))
    return worst


def _apart(answer: Completion, prompt: list[int], oracle: Any) -> float:
    """Return the largest difference of a log-probability, as a share of the largest logit if that is above 1."""
    whole = logits(oracle, [*prompt, *answer.token_ids])
    scale, wanted = float(whole.abs().max().clamp_min(1.0)), whole.log_softmax(-1)[len(prompt) - 1 :]
    said = [(row, pair) for row, one in zip(wanted, answer.logprobs, strict=False) for pair in one.top]
    return max((abs(float(row[token]) - logprob) / scale for row, (token, logprob) in said), default=float("inf"))


def _to_the_end(tokens: list[int], ends: tuple[int, ...]) -> list[int]:
    return tokens[: next((at for at, token in enumerate(tokens) if token in ends), len(tokens))]


def _first(error: Exception) -> str:
    return (str(error).strip().splitlines() or [""])[0]


def _try_all(names: list[str]) -> Iterator[Line]:
    for family in names:
        with tempfile.TemporaryDirectory() as root:
            try:
                line = try_family(family, Path(root))
            except Exception as error:
                traceback.print_exc()
                line = Line(family, "failed", f"{type(error).__name__}: {_first(error)}")
        print(
            f"{line.family:28} {line.outcome:10} {line.slots:4} {line.difference:.1e} {line.why}{line.plain}",
            flush=True,
        )
        yield line


def main() -> None:
    """Try the families named on the command line, or all; fail if one is served with other answers than PEFT's."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--page", type=Path)
    parser.add_argument("families", nargs="*")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.ERROR)
    disable_progress_bar()
    torch.set_num_threads(1)
    lines = list(_try_all(arguments.families or families()))
    if arguments.page is not None:
        write_page(arguments.page, lines)
    wrong = [line.family for line in lines if line.outcome in {"wrong", "failed"}]
    if wrong:
        raise SystemExit(f"not as PEFT: {', '.join(wrong)}")


if __name__ == "__main__":
    main()
