"""What a person sees of the gates of `check --verify`."""

from kits.pages import text

from hotswapd.daemon.terminal.verdicts import verdict_table
from hotswapd.swap.gates.spec import Outcome, Verdict


def test_each_gate_is_a_row_with_its_numbers() -> None:
    """One that complained with its code and sentence."""
    good = Verdict("norms", Outcome.PASSED, numbers={"update_norm": 1.23456})
    bad = Verdict("probe", Outcome.FAILED, "probe_collapsed", "one token [bold]first[/bold]", {"share": 0.9})
    lines = text(verdict_table([good, bad])).splitlines()
    assert lines[1].split() == ["norms", "passed", "update_norm", "1.235"]
    assert " ".join(lines[2].split()) == "probe failed probe_collapsed: one token [bold]first[/bold] share 0.9"
