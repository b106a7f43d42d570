"""The clock: one that is before the installation cannot be right."""

import pytest
from kits.doctors import only

from hotswapd.daemon.doctor.clock import check_clock, is_synchronised, judge

NOW = 1_800_000_000.0


def test_a_clock_before_the_installation_fails() -> None:
    assert "1970" in only([judge(60.0, NOW, synchronised=True)], "fails").sentence
    only([judge(NOW, NOW, synchronised=True)], "fine")


@pytest.mark.parametrize(("synchronised", "outcome"), [(True, "fine"), (None, "fine"), (False, "note")])
def test_a_clock_that_nothing_keeps_right_is_a_note(synchronised: bool | None, outcome: str) -> None:
    only([judge(NOW, NOW, synchronised=synchronised)], outcome)


def test_this_machines_clock_can_be_asked() -> None:
    assert is_synchronised() in {True, False, None}
    (found,) = check_clock(None)
    assert found.outcome != "fails"
