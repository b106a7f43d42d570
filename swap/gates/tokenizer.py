"""Whether an adapter was trained with another tokenizer than the base's: another chat template, or added tokens.

The base's own tokenizer answers all the same, so such an adapter is asked in a form that it was not trained on. What
decides are the files that `save_pretrained` of a tokenizer leaves beside the adapter; without them nothing is known.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hotswapd.swap.codes import GateCode

from .spec import Outcome, Verdict

GATE = "tokenizer"
TOKENIZER_CONFIG, ADDED_TOKENS, CHAT_TEMPLATE = "tokenizer_config.json", "added_tokens.json", "chat_template.jinja"
_SHOWN = 3
"""Tokens that a sentence names."""
_REMEDY = "train with the base's own tokenizer, or set admission.tokenizer"


def tokenizer_verdict(directory: Path, tokenizer: Any, policy: str) -> Verdict | None:
    """Compare the files in an adapter's directory with the base's tokenizer; None if nothing differs.

    `tokenizer` is None if the base has none; `policy` is ``warn`` or ``refuse``.
    """
    found = list(_differences(directory, tokenizer)) if tokenizer is not None else []
    if not found:
        return None
    outcome = Outcome.FAILED if policy == "refuse" else Outcome.WARNED
    sentence = "; ".join(sentence for _, sentence in found)
    return Verdict(GATE, outcome, found[0][0], f"{sentence}; {_REMEDY}", {"differences": float(len(found))})


def _differences(directory: Path, tokenizer: Any) -> Iterator[tuple[GateCode, str]]:
    try:
        config = _object(directory / TOKENIZER_CONFIG)
        added = _object(directory / ADDED_TOKENS)
        template = _template(directory, config)
        tokens = dict(_tokens(config, added))
    except (OSError, ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
        yield (
            GateCode.TOKENIZER_UNREADABLE,
            f"the tokenizer's files beside it cannot be read ({type(error).__name__}: {error})",
        )
        return
    if template and template.strip() not in _templates(tokenizer):
        has = "the base's is another" if tokenizer.chat_template else "the base has none"
        yield GateCode.CHAT_TEMPLATE_DIFFERS, f"it brings a chat template, and {has}"
    foreign = {token: number for token, number in tokens.items() if tokenizer.convert_tokens_to_ids(token) != number}
    if foreign:
        named = ", ".join(f"{token!r} as {number}" for token, number in list(foreign.items())[:_SHOWN])
        sentence = f"it brings {len(foreign)} tokens that the base does not have, such as {named}"
        yield GateCode.ADDED_TOKENS_DIFFER, sentence


def _object(file: Path) -> dict[str, Any]:
    """Read a JSON object; empty without the file."""
    if not file.exists():
        return {}
    found = json.loads(file.read_bytes())
    if not isinstance(found, dict):
        raise TypeError(f"{file.name} is not a JSON object")
    return found


def _template(directory: Path, config: dict[str, Any]) -> str:
    """Return the adapter's default template: the file's, else that of the configuration."""
    file = directory / CHAT_TEMPLATE
    if file.exists():
        return file.read_text(encoding="utf-8")
    found = config.get("chat_template") or ""
    if isinstance(found, list):
        found = {one["name"]: one["template"] for one in found}.get("default", "")
    return str(found)


def _templates(tokenizer: Any) -> set[str]:
    found = tokenizer.chat_template or ""
    return {str(one).strip() for one in (found.values() if isinstance(found, dict) else (found,))}


def _tokens(config: dict[str, Any], added: dict[str, Any]) -> Iterator[tuple[str, int]]:
    for number, token in (config.get("added_tokens_decoder") or {}).items():
        yield str(token["content"]), int(number)
    for token, number in added.items():
        yield str(token), int(number)
