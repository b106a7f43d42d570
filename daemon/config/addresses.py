"""From an address as somebody types it to the table of a source or of the model."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hotswapd.loaders.kinds import KINDS
from hotswapd.loaders.uri import AdapterURI

from .errors import ConfigError

_VARIABLE = "HF_TOKEN"
_LOCAL = ("/", "./", "../", "~")
"""What begins so is meant to be a path, whether there is something or not."""


def source_table(text: str, environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the ``[[source]]`` table that watches an address. Raises ConfigError with a sentence about SOURCE."""
    try:
        uri = AdapterURI.typed(text)
    except ValueError as error:
        raise ConfigError("SOURCE", str(error)) from None
    kind = next(name for name, kind in KINDS.items() if kind.scheme == uri.scheme)
    return {"kind": kind} | _KEYS[kind](uri, environ)


def model_table(text: str) -> tuple[dict[str, Any], list[str]]:
    """Return the keys of ``[model]`` that BASE sets, and the other names that adapters may have for it.

    A directory is named by its absolute path, so that the configuration means the same everywhere. An adapter that was
    trained on it may call it as it was typed, or by its last part. Raises ConfigError.
    """
    if text.startswith("hf://"):
        return _on_a_hub(text), []
    if os.path.isdir(text):  # noqa: PTH112 - Path.is_dir raises on odd names
        base = os.path.abspath(text)  # noqa: PTH100 - links stay
        others = dict.fromkeys((text, Path(base).name))
        return {"base": base}, [name for name in others if name.strip() and name != base]
    if text.startswith(_LOCAL):
        raise ConfigError("BASE", f"{text} is not a directory: name the model's directory, or its name on the Hub")
    if "://" in text or text.count("/") > 1:
        raise ConfigError("BASE", f"{text!r} is neither a directory nor a name on the Hub, which is organisation/model")
    return {"base": text}, []


def _on_a_hub(text: str) -> dict[str, Any]:
    repo, revision, below = _split(AdapterURI.parse(text).location)
    if not repo.strip("/") or below:
        raise ConfigError("BASE", f"{text!r} must be hf://organisation/model or hf://organisation/model@revision")
    return {"base": repo} | ({"revision": revision} if revision else {})


def _local_keys(uri: AdapterURI, _: Mapping[str, str]) -> dict[str, Any]:
    return {"path": uri.location}


def _s3_keys(uri: AdapterURI, _: Mapping[str, str]) -> dict[str, Any]:
    return {"uri": f"s3://{uri.location}/"}


def _hub_keys(uri: AdapterURI, environ: Mapping[str, str]) -> dict[str, Any]:
    repo, revision, subfolder = _split(uri.location)
    said = {"repo": repo, "subfolder": subfolder, "revision": revision, **own_token(environ)}
    return {key: value for key, value in said.items() if value}


def own_token(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the keys of a ``[[source]]`` table for the token that huggingface_hub would use; none if there is none."""
    if environ.get(_VARIABLE, "").strip():
        return {"token_env": _VARIABLE}
    file = _token_file(environ)
    return {"token_file": str(file)} if file else {}


_KEYS = {"local": _local_keys, "s3": _s3_keys, "hub": _hub_keys}


def _split(location: str) -> tuple[str, str, str]:
    """Split ``org/repo@revision/sub`` into its three parts; the last two may be empty."""
    organisation, _, rest = location.partition("/")
    name, _, below = rest.partition("/")
    name, _, revision = name.partition("@")
    return f"{organisation}/{name}" if name else organisation, revision, below


def _token_file(environ: Mapping[str, str]) -> Path | None:
    """Return where `hf auth login` has put the token, as huggingface_hub looks for it."""
    cache = environ.get("XDG_CACHE_HOME") or f"{environ.get('HOME') or '/nonexistent'}/.cache"
    home = environ.get("HF_HOME") or f"{cache}/huggingface"
    token = Path(environ.get("HF_TOKEN_PATH") or f"{home}/token")
    return token if token.is_absolute() and os.access(token, os.R_OK) else None
