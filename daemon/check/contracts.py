"""The contract that a daemon with this configuration would have."""

from collections.abc import Sequence

from hotswapd.daemon.config.tables import Admission, Model
from hotswapd.swap.adapter.contract import Contract, Slot
from hotswapd.swap.resident.fingerprint import base_fingerprint


def contract_of(model: Model, admission: Admission, slots: Sequence[Slot], dtype: str) -> Contract:
    """Make it; `dtype` is that of the slots, by its name in torch."""
    return Contract(
        admission.names_of(model.base),
        tuple(slots),
        model.max_rank,
        dtype,
        model.revision,
        admission.base_names,
        base_fingerprint(model.base, model.revision),
    )
