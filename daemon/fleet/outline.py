"""The base without its weights, as a watcher knows it: what an adapter must meet before any replica tries it."""

from dataclasses import replace
from pathlib import Path

import torch

from hotswapd.daemon.answers import ResidentStatus
from hotswapd.daemon.check.contracts import contract_of
from hotswapd.daemon.config.settings import Settings
from hotswapd.daemon.config.specs import resident_spec
from hotswapd.swap.adapter.admission import Plan, admit
from hotswapd.swap.adapter.manifest import read_manifest
from hotswapd.swap.adapter.slots import require_slots
from hotswapd.swap.resident.base import choose_dtype
from hotswapd.swap.resident.outline import outline


class Outline:
    """The base's modules on the meta device. For one thread, but `describe` and the fingerprints are for any."""

    def __init__(self, settings: Settings) -> None:
        """Read the base's configuration. Raises BaseUnusable or NoSlots."""
        spec = resident_spec(settings)
        config, self._oracle = outline(spec)
        require_slots(self._oracle.slots, spec.target_modules, self._oracle.linear)
        # Replicas may have another device than the watcher's machine; if none is set, the stricter dtype counts.
        self._device = "cpu" if spec.device == "cpu" else "cuda"
        dtype = str(choose_dtype(spec.dtype, config, torch.device(self._device))).removeprefix("torch.")
        self._contract = contract_of(settings.model, settings.admission, self._oracle.slots, dtype)
        self._berths = settings.serve.berths

    @property
    def contract_fingerprint(self) -> str:
        """That of what is admitted now."""
        return self._contract.fingerprint

    @property
    def base_fingerprint(self) -> str:
        """That of the base's checkpoint."""
        return self._contract.base_fingerprint

    def admit(self, artifact: Path) -> Plan:
        """Compare what an artifact declares with the contract; read no tensor. Raises Rejected or OSError."""
        return admit(read_manifest(artifact), self._contract, self._oracle)

    def judge_by(self, settings: Settings) -> None:
        """Admit adapters that name the base as these settings say."""
        admission = settings.admission
        names = admission.names_of(settings.model.base)
        self._contract = replace(self._contract, base_models=names, names=admission.base_names)

    def describe(self) -> ResidentStatus:
        """Describe what every replica has."""
        return {
            "device": self._device,
            "dtype": self._contract.dtype,
            "slots": len(self._contract.slots),
            "max_rank": self._contract.max_rank,
            "berths": self._berths,
        }
