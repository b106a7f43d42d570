"""Every stable code that the program can give, read off its source: from the calls that take one, and from tables."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from hotswapd.daemon.live import watch as verify_watch
from hotswapd.daemon.pipeline import rules
from hotswapd.daemon.serve import errors as http_errors_module
from hotswapd.daemon.serve import requests as asks
from hotswapd.loaders.hub import errors as hub_errors
from hotswapd.loaders.s3 import errors as s3_errors
from hotswapd.loaders.s3 import examine as s3_examine
from hotswapd.swap.adapter import config as adapter_config
from hotswapd.swap.adapter import names as tensor_names

ROOT = Path(__file__).resolve().parents[2]
_CODE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_PLACES: dict[str, int] = {
    **dict.fromkeys(("Misfit", "_one", "refuse", "BadHeader", "RolledBack", "Interrupted", "BadJSON"), 0),
    **dict.fromkeys(("Waiting", "Unavailable", "_Absent", "Gone", "Refused", "SourceDown", "HubTrouble"), 0),
    **dict.fromkeys(("BadAsk", "BadRequest", "Conflict", "Busy", "NotReady", "NoSuchModel", "TooLarge"), 0),
    **dict.fromkeys(("Unauthorized", "LaneFailed", "NoFeedback", "CannotListen", "_down"), 0),
    **dict.fromkeys(("Ending", "Left", "pass_by", "wait_for_another_try", "error_response", "end"), 1),
    **dict.fromkeys(("Verdict", "move", "move_all", "_move_all"), 2),
    "take": 4,
    "_patterns": 3,
}
"""Which argument of a call is a code."""
_RETURNING = {"verify_probe.py"}
"""Modules that return a code and a sentence."""
_NOT_SAID = {"again", "resumed", "reopened", "stopping", "too_slow"}
"""Reasons of a row that goes on at once, and why a wire was cut: nobody is told them as a code to act on."""


def codes() -> set[str]:
    """Return all of them."""
    return ({*_of_calls(), *_of_tables()}) - _NOT_SAID


def _of_calls() -> Iterator[str]:
    for folder in ("daemon", "loaders", "swap"):
        for file in sorted((ROOT / folder).glob("*.py")):
            if not file.name.startswith("demo"):
                yield from _of_file(file)


def _of_file(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            at = _PLACES.get(name, len(node.args))
            said = list(_said(node.args[at : at + 1]))
            # What is wrong with JSON is said of the configuration and of the header.
            yield from (f"{of}_{code}" for code in said for of in ("config", "header")) if name == "BadJSON" else said
        elif isinstance(node, ast.Return) and file.name in _RETURNING and isinstance(node.value, ast.Tuple):
            yield from _said(node.value.elts[:1])


def _said(nodes: list[ast.expr]) -> Iterator[str]:
    """Yield the codes among these expressions; of one that depends on a condition, both."""
    for node in nodes:
        if isinstance(node, ast.IfExp):
            yield from _said([node.body, node.orelse])
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _CODE.fullmatch(node.value):
            yield node.value


def _of_tables() -> Iterator[str]:
    """Yield the codes that are data."""
    yield from adapter_config._REFUSED.values()
    yield from (code for _, code, _ in tensor_names._KINDS)
    yield from hub_errors._SENTENCES
    yield from (f"s3_{kind}" for kind in s3_errors._SENTENCES if kind != s3_errors.STOPPING)
    yield from s3_examine._ITS_OWN.values()
    yield from verify_watch.CODES
    yield from (*asks._CODES.values(), "bad_value")
    yield from (*http_errors_module.CODES.values(), "http_error")
    yield from (rules.PAUSED, rules.PINNED, rules.NO_LANE, rules.CANARY_WORSE)
    yield from ("out_of_memory", "store_unreadable")  # of store_reading.py
    yield from ("older_than_live", "rank_mismatch", "shape_mismatch", "golden_prompt", "no_change", "bad_field")
