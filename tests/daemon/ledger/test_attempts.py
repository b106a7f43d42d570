"""Deaths of the process, by bytes and kind of step."""

from hotswapd.daemon.ledger.attempts import BOOT, SWAP
from hotswapd.daemon.ledger.ledger import Ledger


def test_an_open_attempt_is_one_death(ledger: Ledger) -> None:
    """An attempt that ended, well or badly, is not a death; one that a start finds open is, and only at that start."""
    ledger.attempts.begin("d", SWAP, "staging")
    ledger.attempts.end("d", SWAP)
    ledger.attempts.count_deaths()
    assert ledger.attempts.deaths("d", SWAP) == (0, "staging")
    for deaths in (1, 2):
        ledger.attempts.begin("d", SWAP, "verification")
        ledger.attempts.count_deaths()
        ledger.attempts.count_deaths()
        assert ledger.attempts.deaths("d", SWAP) == (deaths, "verification")
    assert ledger.attempts.deaths("d", BOOT) == (0, "")
    ledger.attempts.end("d", SWAP, forget=True)
    assert ledger.attempts.deaths("d", SWAP) == (0, "verification")
