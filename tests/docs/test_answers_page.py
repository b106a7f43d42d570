"""docs/answers.md against the types, and the types against what the daemon answers."""

from pathlib import Path

from kits.operators import make_operator

from hotswapd.daemon.answers import Overview, Status
from hotswapd.daemon.ledger.ledger import Ledger
from hotswapd.daemon.report.fields import page

PAGE = Path(__file__).resolve().parents[2] / "docs" / "answers.md"


def test_the_page_is_what_the_types_say() -> None:
    """`python -m hotswapd.daemon.report.fields > docs/answers.md` writes it."""
    assert PAGE.read_text() == page()


def test_every_field_of_an_answer_is_in_its_type(tmp_path: Path) -> None:
    """In both directions, for the two answers that have the others in them."""
    operator = make_operator(Ledger(tmp_path / "ledger.sqlite"))
    assert operator.status().keys() == Status.__annotations__.keys()
    assert operator.overview().keys() == Overview.__annotations__.keys()
