"""Every change of a row, in the log and in the metrics."""

from pathlib import Path

from kits.exposition import samples
from structlog.testing import capture_logs

from hotswapd.daemon.ledger.ledger import Ledger
from hotswapd.daemon.ledger.reasons import Reason
from hotswapd.daemon.ledger.rows import Find, Row
from hotswapd.daemon.ledger.states import State
from hotswapd.daemon.report.metrics import Metrics
from hotswapd.daemon.report.swaps import Reporter


def test_a_rollback_is_not_timed_twice(tmp_path: Path) -> None:
    """Its stages were observed when it went live; the row that says ROLLED_BACK still has them."""
    metrics = Metrics()
    ledger = Ledger(tmp_path / "ledger.sqlite", Reporter(metrics))
    (row,) = ledger.add([Find("a", "file:///a", "r", 0.0, State.VERIFIED)], seconds={"fetch": 1.5})
    row = ledger.move(row, State.LIVE, generation=1)
    ledger.move(row, State.ROLLED_BACK, Reason.OPERATOR)
    ledger.close()
    found = samples(metrics)
    assert ({"stage": "fetch"}, 1.0) in found["hotswapd_swap_seconds_count"]
    assert {labels["outcome"] for labels, _ in found["hotswapd_swaps_total"]} == {"LIVE", "ROLLED_BACK"}


def _refused(index: int) -> Row:
    return Row(f"id{index}", index, "a", f"file:///{index}", "r", 0.0, State.REJECTED, 0.0, reason="non_finite")


def test_few_rows_are_logged_one_by_one_and_many_as_one() -> None:
    """A refusal is a warning with its reason; what is empty is left out."""
    metrics = Metrics()
    for count in (32, 33):
        rows = [_refused(index) for index in range(count)]
        with capture_logs() as lines:
            Reporter(metrics)(rows)
        if count == 32:
            assert [line["uri"] for line in lines] == [row.uri for row in rows]
            assert lines[0]["log_level"] == "warning"
            assert (lines[0]["reason"], "detail" in lines[0]) == ("non_finite", False)
        else:
            (line,) = lines
            assert (line["event"], line["count"]) == ("REJECTED", 33)
            assert (line["first"], line["last"]) == ("file:///0", "file:///32")
