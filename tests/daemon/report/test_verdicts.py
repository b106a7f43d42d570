"""A verdict in the log and as a record."""

import json

from structlog.testing import capture_logs

from hotswapd.daemon.answers import VerdictRecord
from hotswapd.daemon.report.verdicts import log_verdict, record
from hotswapd.swap.gates.spec import Outcome, Verdict

BAD = Verdict("dataset", Outcome.FAILED, "dataset_worse", "it is worse", {"perplexity": float("inf"), "loss": 1 / 3})


def test_a_record_is_strict_json() -> None:
    """A number that is not finite is null, and so is a text that is empty."""
    found = record(BAD)
    assert found["numbers"] == {"perplexity": None, "loss": 1 / 3}
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    passed = record(Verdict("norms", Outcome.PASSED))
    assert (passed["code"], passed["sentence"]) == (None, None)
    assert passed.keys() == VerdictRecord.__required_keys__


def test_a_line_has_the_numbers_to_six_digits() -> None:
    """One that did not pass is a warning, with its code and sentence."""
    with capture_logs() as lines:
        log_verdict(BAD, uri="file:///a")
        log_verdict(Verdict("norms", Outcome.PASSED))
    bad, good = lines
    assert (bad["log_level"], bad["code"], bad["detail"], bad["uri"]) == (
        "warning",
        "dataset_worse",
        "it is worse",
        "file:///a",
    )
    assert bad["loss"] == 0.333333
    assert (good["log_level"], good["gate"], "code" in good) == ("info", "norms", False)
