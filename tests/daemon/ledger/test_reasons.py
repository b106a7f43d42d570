"""The reasons: codes that do not change, each explained."""

import re

from hotswapd.daemon.ledger.ledger import Ledger
from hotswapd.daemon.ledger.reasons import BY_ITS_OWN_REQUESTS, Reason
from hotswapd.daemon.ledger.rows import Find
from hotswapd.daemon.ledger.states import State


def test_a_reason_is_a_plain_code_to_everybody(ledger: Ledger) -> None:
    """In the ledger, in the log and in JSON."""
    (row,) = ledger.add([Find("s", "file:///a", "r", 0.0, State.WAITING, Reason.ARTIFACT_LOST)])
    assert ledger.rows.get(row.swap_id).reason == "artifact_lost" == f"{Reason.ARTIFACT_LOST}"
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", reason) for reason in Reason)


def test_only_passing_reasons_lack_a_meaning() -> None:
    """A row goes on at once with these: nobody has to do anything."""
    passing = {Reason.AGAIN, Reason.RESUMED, Reason.REOPENED}
    assert {reason for reason in Reason if not reason.meaning} == passing
    assert {reason.state for reason in passing} <= {State.FETCHED, State.SIGHTED}


def test_what_closes_bytes_is_a_rollback() -> None:
    """By the watch or as a canary."""
    assert {reason.state for reason in BY_ITS_OWN_REQUESTS} == {State.ROLLED_BACK}
    assert {reason for reason in Reason if reason.startswith(("watch_", "canary_"))} == BY_ITS_OWN_REQUESTS
