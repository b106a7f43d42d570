"""Every generation with its number, and what the store must keep of them."""

from kits.ledgers import add, make_live

from hotswapd.daemon.ledger.generation import Generation
from hotswapd.daemon.ledger.ledger import Ledger


def test_a_refused_generation_is_not_good(ledger: Ledger) -> None:
    """Newest first; what was rolled back from is not what a rollback goes to by default."""
    for number in (1, 2, 3):
        ledger.adopt(Generation(number, f"file:///{number}", "r", str(number), float(number), f"id{number}"), "s")
    ledger.generations.refuse(2)
    assert [one.number for one in ledger.generations.newest(10)] == [3, 2, 1]
    assert [one.number for one in ledger.generations.newest(10, good=True)] == [3, 1]
    second = ledger.generations.get(2)
    assert second == Generation(2, "file:///2", "r", "2", 2.0, "id2")
    assert ledger.generations.get(9) is None
    assert ledger.generations.next_number() == 4


def test_the_last_good_ones_are_kept_under_bad_ones(ledger: Ledger) -> None:
    """Otherwise two bad adapters in a row would cost the generation to roll back to."""
    for number in range(1, 8):
        (row,) = add(ledger, f"{number}")
        make_live(ledger, row, number)
    for number in (5, 6, 7):
        ledger.generations.refuse(number)
    kept = {number: f"digest file:///{number}" for number in range(8)}
    assert ledger.generations.kept(2, []) == {kept[7], kept[6], kept[4], kept[3]}
    assert ledger.generations.kept(1, [0, 7, 1, 99]) == {kept[7], kept[4], kept[1]}
