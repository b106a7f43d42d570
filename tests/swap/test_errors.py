"""A refusal in words: as many misfits as fit, and how many more there are."""

from hotswapd.swap.codes import ConfigCode
from hotswapd.swap.errors import Misfit, Rejected

MISFITS = [Misfit(ConfigCode.BAD_FIELD, f"field{n}", "a number", "'text'", "correct it") for n in range(5)]


def test_a_misfit_is_one_sentence() -> None:
    """Place, what was wanted, what it is, and what to do."""
    assert str(MISFITS[0]) == "field0: wanted a number, got 'text'; correct it"


def test_a_summary_has_all_that_fits() -> None:
    """The first one always, and the number of the rest."""
    length = len(str(MISFITS[0]))
    assert Rejected(MISFITS).summary() == "; ".join(map(str, MISFITS))
    assert Rejected(MISFITS).summary(2 * length) == f"{MISFITS[0]}; {MISFITS[1]}; and 3 more"
    assert Rejected(MISFITS).summary(1) == f"{MISFITS[0]}; and 4 more"


def test_more_may_have_been_found_than_are_listed() -> None:
    """A list that was cut still tells how many there are; the code is that of the first."""
    error = Rejected(MISFITS[:1], found=300)
    assert error.summary().endswith("; and 299 more")
    assert error.code == "bad_field"
