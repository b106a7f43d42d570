"""What the status page is told: times and reasons from a real ledger."""

from pathlib import Path
from typing import Any, cast

from hotswapd.daemon.control.overview import overview
from hotswapd.daemon.ledger.generation import Generation
from hotswapd.daemon.ledger.ledger import Ledger
from hotswapd.daemon.ledger.rows import Find
from hotswapd.daemon.ledger.states import State


def test_lives_and_refusals_are_those_of_the_ledger(tmp_path: Path) -> None:
    """Newest first, each time that something went live, with where the seconds went; nobody is named."""
    ledger = Ledger(tmp_path / "ledger.sqlite")
    good, bad = ledger.add([Find("a", f"file:///{name}", "r", 0.0, State.VERIFIED) for name in ("good", "bad")])
    verify = ({"gate": "probe", "outcome": "passed", "code": None, "sentence": None, "numbers": {"finite": 1.0}},)
    good = ledger.amend(good, verify=verify)
    with ledger.going_live(good, Generation(1, good.uri, "r", "ab", 0.0, good.swap_id)):
        pass
    ledger.move(bad, State.REJECTED, "non_finite", "a tensor holds NaN")
    ledger.actions.note("pause", "", "done", (1, 2, 3))
    answer = overview(cast("Any", {"ready": True}), ledger, [])
    (life,) = answer["lives"]
    assert (life["generation"], life["uri"], life["source"]) == (1, "file:///good", "a")
    assert life["total"] >= 0
    assert life["verify"] == list(verify)
    (refusal,) = answer["refusals"]
    assert (refusal["reason"], refusal["detail"]) == ("non_finite", "a tensor holds NaN")
    (action,) = answer["actions"]
    assert set(action) == {"at", "action", "argument", "result"}
    ledger.close()
