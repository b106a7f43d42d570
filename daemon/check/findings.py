"""Every objection to an adapter that can be found without the base's weights and without a GPU."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hotswapd.daemon.config.tables import Admission, Model
from hotswapd.loaders.codes import FileCode
from hotswapd.loaders.files import CONFIG, MANIFEST, WEIGHTS
from hotswapd.swap.adapter.admission import Plan, admit
from hotswapd.swap.adapter.config import examine
from hotswapd.swap.adapter.manifest import Manifest, read_manifest
from hotswapd.swap.adapter.remembered import Remembered, Unknown
from hotswapd.swap.errors import Misfit, Rejected
from hotswapd.swap.gates.spec import Outcome, Verdict

from .contracts import contract_of
from .memory import recall
from .values import require_finite

_STRUCTURE = "only its structure was checked: name a base with --config or --base to compare it with one"


@dataclass(frozen=True, slots=True)
class Findings:
    """`misfits` is empty if it would be taken; `note` is what was not checked, `verdicts` are those of the gates.

    `ignored` is why it would not be taken from where it lies, whatever it is; empty if it would be.

    `warnings` stop nothing; the daemon writes them into the ledger.
    """

    misfits: tuple[Misfit, ...]
    note: str = ""
    verdicts: tuple[Verdict, ...] = ()
    ignored: str = ""
    warnings: tuple[Misfit, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether no objection was found."""
        return not self.misfits and all(verdict.outcome != Outcome.FAILED for verdict in self.verdicts)


def examine_adapter(directory: Path, model: Model | None, admission: Admission) -> Findings:
    """Find every misfit of the adapter in `directory`; without a model, only those of its structure.

    Raises BaseUnusable if the base cannot be read or is never served, and NoSlots if it has no slots.
    """
    note = "" if model else _STRUCTURE
    links = [_link(name) for name in (CONFIG, WEIGHTS, MANIFEST) if (directory / name).is_symlink()]
    if links:
        return Findings(tuple(links), note)
    try:
        manifest = read_manifest(directory)
        if model is None:
            _, misfits = examine(manifest.config, _defaults())
            return Findings(tuple(misfits), note)
        warnings = _compare(manifest, model, admission).warnings
    except Rejected as error:
        return Findings(error.misfits, note)
    return Findings((), note, warnings=warnings)


def _defaults() -> Mapping[str, Any]:
    known = recall(None)
    if known is not None:
        return dict(known["defaults"])
    from .asking import peft_defaults  # late: it imports PEFT

    return peft_defaults()


def _link(name: str) -> Misfit:
    """Refuse a link as a source of the daemon does: a snapshot in the Hub's cache consists of them."""
    remedy = "copy the files themselves, e.g. with `cp -rL`; `hotswapd publish` does that as well"
    return Misfit(FileCode.SYMLINK, name, "a file", "a symbolic link, which is not followed", remedy)


def _compare(manifest: Manifest, model: Model, admission: Admission) -> Plan:
    """Do what the daemon does up to the host's memory, from memory if nothing new must be asked. Raises Rejected."""
    _check_size(manifest, admission.max_artifact_bytes)
    known = recall(model) or {}
    plan = _compare_from_memory(manifest, model, admission, known) if known else None
    if plan is not None:
        return plan
    from .asking import compare  # late: it imports torch, transformers and PEFT

    return compare(manifest, model, admission, known)


def _compare_from_memory(
    manifest: Manifest, model: Model, admission: Admission, known: Mapping[str, Any]
) -> Plan | None:
    """Do the same without the base and PEFT; return None if they must be asked."""
    try:
        remembered = Remembered(known)
        contract = contract_of(model, admission, remembered.slots, str(known["dtype"]))
        plan = admit(manifest, contract, remembered)
    except (Unknown, LookupError, TypeError, ValueError):  # what is remembered does not say, or is not what it was
        return None
    require_finite(plan, contract)
    return plan


def _check_size(manifest: Manifest, most: int) -> None:
    if manifest.file_size > most:
        remedy = "raise admission.max_artifact_bytes, or train with a lower rank"
        got = f"{manifest.file_size} bytes"
        raise Rejected([Misfit(FileCode.TOO_LARGE, manifest.weights.name, f"at most {most} bytes", got, remedy)])
