"""Every objection to an adapter that can be found without the base's weights and without a GPU."""

from dataclasses import dataclass
from pathlib import Path

import torch
from peft import LoraConfig

from hotswapd.daemon.config.tables import Admission, Model
from hotswapd.loaders.codes import FileCode
from hotswapd.loaders.files import CONFIG, MANIFEST, WEIGHTS
from hotswapd.swap.adapter.admission import admit
from hotswapd.swap.adapter.config import examine
from hotswapd.swap.adapter.contract import Contract
from hotswapd.swap.adapter.manifest import Manifest, read_manifest
from hotswapd.swap.adapter.slots import require_slots
from hotswapd.swap.berths.filling import fill_host_image
from hotswapd.swap.berths.layout import Layout
from hotswapd.swap.errors import Misfit, Rejected
from hotswapd.swap.gates.spec import Outcome, Verdict
from hotswapd.swap.resident.base import ResidentSpec, choose_dtype
from hotswapd.swap.resident.fingerprint import base_fingerprint
from hotswapd.swap.resident.outline import outline

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
            _, misfits = examine(manifest.config, LoraConfig().to_dict())
            return Findings(tuple(misfits), note)
        warnings = _compare(manifest, model, admission)
    except Rejected as error:
        return Findings(error.misfits, note)
    return Findings((), note, warnings=warnings)


def _link(name: str) -> Misfit:
    """Refuse a link as a source of the daemon does: a snapshot in the Hub's cache consists of them."""
    remedy = "copy the files themselves, e.g. with `cp -rL`; `hotswapd publish` does that as well"
    return Misfit(FileCode.SYMLINK, name, "a file", "a symbolic link, which is not followed", remedy)


def _compare(manifest: Manifest, model: Model, admission: Admission) -> tuple[Misfit, ...]:
    """Do what the daemon does up to the host's memory, and return what it would warn of. Raises Rejected."""
    _check_size(manifest, admission.max_artifact_bytes)
    config, oracle = outline(_spec(model))
    require_slots(oracle.slots, model.target_modules, oracle.linear)
    # The daemon may run on another device than this machine has; if none is set, the stricter dtype counts.
    dtype = choose_dtype(model.dtype, config, torch.device("cpu" if model.device == "cpu" else "cuda"))
    names = (model.base, *admission.base_models)
    contract = Contract(
        names,
        oracle.slots,
        model.max_rank,
        str(dtype).removeprefix("torch."),
        model.revision,
        admission.base_names,
        base_fingerprint(model.base, model.revision),
    )
    plan = admit(manifest, contract, oracle)
    layout = Layout.of(contract, dtype)
    fill_host_image(torch.empty(layout.size, dtype=torch.uint8), plan, layout)
    return plan.warnings


def _spec(model: Model) -> ResidentSpec:
    return ResidentSpec(
        base=model.base,
        revision=model.revision,
        target_modules=model.target_modules,
        attn_implementation=model.attn_implementation,
        trust_remote_code=model.trust_remote_code,
    )


def _check_size(manifest: Manifest, most: int) -> None:
    if manifest.file_size > most:
        remedy = "raise admission.max_artifact_bytes, or train with a lower rank"
        got = f"{manifest.file_size} bytes"
        raise Rejected([Misfit(FileCode.TOO_LARGE, manifest.weights.name, f"at most {most} bytes", got, remedy)])
