"""Loads the base's tokenizer, and says what is wrong with a base that cannot be read. Imports no model."""

import os
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from hotswapd.swap.errors import BaseUnservable, BaseUnusable, first_line

from .spec import ResidentSpec


def load_tokenizer(spec: ResidentSpec) -> Any:
    """Load the base's tokenizer, None if it has none. Raises BaseUnusable if it needs code that may not be run."""
    try:
        return AutoTokenizer.from_pretrained(
            spec.base, trust_remote_code=spec.trust_remote_code, **where(spec.base, spec.revision)
        )
    except ImportError as error:
        why = f"its tokenizer needs a package that is not installed: {first_line(error)}"
        raise BaseUnusable(f"model.base: {spec.base!r} cannot be loaded: {why}") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        if _wants_code(error):
            raise unreadable(spec.base, error) from error
        return None  # a base without a tokenizer still answers prompts of token ids


def unreadable(base: str, error: Exception) -> BaseUnusable:
    """Say why a base cannot be read, and what to do."""
    if _wants_code(error):
        return BaseUnservable(
            f"model.base: {base!r} needs Python code of its own, which is not run: serve a base that transformers "
            "knows, or read that code and set model.trust_remote_code = true"
        )
    return BaseUnusable(f"model.base: {base!r} cannot be read: {first_line(error)}")


def _wants_code(error: Exception) -> bool:
    """Tell transformers' refusal to run a repository's code from its other errors, which are of the same class."""
    return isinstance(error, ValueError) and "trust_remote_code=True" in str(error)


def where(base: str, revision: str) -> dict[str, Any]:
    """Return the revision as an argument, which a local directory does not have."""
    return {} if os.path.isdir(Path(base)) else {"revision": revision}  # noqa: PTH112 - Path.is_dir raises on odd names
