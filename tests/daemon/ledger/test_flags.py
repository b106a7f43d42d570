"""Small values by name."""

from hotswapd.daemon.ledger.ledger import Ledger


def test_flags_have_a_default_and_outlive_the_process(ledger: Ledger) -> None:
    """Pinned and paused are as the operator left them."""
    assert (ledger.flags.pinned(), ledger.flags.paused(), ledger.flags.get("high_water", 7)) == (False, False, 7)
    ledger.flags.set("pinned", value=True)
    ledger.flags.set("high_water", 8)
    ledger.close()
    assert (ledger.flags.pinned(), ledger.flags.paused(), ledger.flags.get("high_water", 7)) == (True, False, 8)
