"""The nearest slot: by its name without numbers first, then by the numbers."""

from hotswapd.swap.adapter.nearest import NearestSlot

MODULES = [f"layers.{n}.{name}" for n in range(3) for name in ("q_proj", "up_proj")]


def find(name: str) -> str | None:
    return NearestSlot(MODULES).find(name, "model.", ".weight")


def test_a_name_that_differs_in_its_case_has_its_slot() -> None:
    """The numbers are its own."""
    assert find("model.layers.2.Q_proj.weight") == "layers.2.q_proj"


def test_leading_zeros_do_not_matter() -> None:
    """Layer 01 is layer 1."""
    assert find("model.layers.01.up_proj.weight") == "layers.1.up_proj"


def test_a_number_that_no_slot_has_gives_the_first_one() -> None:
    """It is at least the right kind of module."""
    assert find("model.layers.77.up_proj.weight") == "layers.0.up_proj"


def test_a_name_like_no_slot_has_none() -> None:
    """A wrong suggestion would be worse; and where there are no slots nothing is near."""
    assert find("?") is None
    assert NearestSlot(()).find("model.layers.1.q_proj.weight", "", "") is None
