"""Was the adapter trained for the base that is served? By the name and revision that its configuration has."""

import json
from collections.abc import Mapping
from typing import Any

from hotswapd.swap.codes import ConfigCode
from hotswapd.swap.errors import Misfit

from .base_names import MAX_BASE_NAME, Kinship, closest
from .contract import Contract
from .fingerprints import difference

_FIELD = "base_model_name_or_path"


def check_base(
    config: Mapping[str, Any], contract: Contract, published_for: str = ""
) -> tuple[list[Misfit], list[Misfit]]:
    """Return what refuses the adapter because of its base, and what is only to be warned of.

    `published_for` is the fingerprint of the base that it was published for, empty if nobody knows.
    """
    if "*" in contract.base_models:
        return [], []
    wrong, warnings = _check_name(config, contract)
    other = difference(published_for, contract.base_fingerprint)
    return [*wrong, *([_differs(other)] if other else [])], warnings


def _check_name(config: Mapping[str, Any], contract: Contract) -> tuple[list[Misfit], list[Misfit]]:
    name, family = config.get(_FIELD), contract.names == "family"
    if isinstance(name, str) and name in contract.base_models:
        return _check_revision(config, contract), []
    if family and name in (None, ""):
        remedy = "set it, so that the adapter cannot be taken for another base's"
        warning = Misfit(ConfigCode.BASE_UNNAMED, _FIELD, _wanted(contract), repr(name), remedy)
        return _check_revision(config, contract), [warning]
    if not family or not isinstance(name, str) or not _is_sayable(name):
        return [_other(name, contract)], []
    # The revision of a copy is a commit of another repository, so it is not compared.
    match closest(name, contract.base_models):
        case Kinship.SAME:
            return [], []
        case Kinship.RELATED:
            remedy = "its tensors fit, but may mean something else here: train it for this base"
            return [], [Misfit(ConfigCode.BASE_RELATED, _FIELD, _wanted(contract), repr(name)[:200], remedy)]
    return [_other(name, contract)], []


def _other(name: object, contract: Contract) -> Misfit:
    # Printable JSON text is TOML text too, so the line can be pasted whatever quotes the name holds.
    line = json.dumps([name if isinstance(name, str) and _is_sayable(name) else "*"], ensure_ascii=False)
    remedy = f"if it was trained for this base under another name, add it: [admission] base_models = {line}"
    return Misfit(ConfigCode.OTHER_BASE, _FIELD, _wanted(contract), repr(name)[:200], remedy)


def _differs(what: str) -> Misfit:
    remedy = 'publish it against the base that is served, or admit it for any base: [admission] base_models = ["*"]'
    return Misfit(ConfigCode.BASE_DIFFERS, "base_fingerprint", "the base that is served", f"another: {what}", remedy)


def _check_revision(config: Mapping[str, Any], contract: Contract) -> list[Misfit]:
    revision = config.get("revision")
    if revision in (None, "", "main", contract.revision):
        return []
    remedy = "train it against the revision that is served, or serve the one it was trained for (model.revision)"
    return [Misfit(ConfigCode.OTHER_BASE_REVISION, "revision", contract.revision, str(revision)[:80], remedy)]


def _is_sayable(name: str) -> bool:
    return name.isprintable() and 0 < len(name) <= MAX_BASE_NAME


def _wanted(contract: Contract) -> str:
    return " or ".join(contract.base_models) or "a base that the configuration names"
