"""What a person sees of a rollout."""

from hotswapd.daemon.answers import RolloutStatus
from hotswapd.daemon.terminal.rollout import side_by_side

NOW: RolloutStatus = {
    "kind": "canary",
    "share": 5.0,
    "steps": [5.0, 100.0],
    "salt": "s",
    "seconds": 12.0,
    "waits_for": "3 of 200 requests in the canary arm",
    "live": {"generation": 1, "requests": 9.0, "errors": 0.0, "degenerate": 0.0, "non_finite": 0.0, "feedback": 0.0},
    "canary": {
        "generation": 2,
        "requests": 3.0,
        "errors": 1.0,
        "degenerate": 0.0,
        "non_finite": 0.0,
        "feedback": 0.0,
        "seconds_a_token": 0.0125,
    },
}


def test_both_arms_stand_side_by_side() -> None:
    """A line for each thing counted; what an arm has no answers for is a dash."""
    lines = side_by_side(NOW).splitlines()
    assert lines[0] == "canary: 5 % of new requests go to generation 2"
    assert lines[1].split() == ["live", "g1", "beside", "g2"]
    assert ["failed", "0", "1"] in [line.split() for line in lines]
    assert ["seconds", "a", "token"] + ["-", "0.0125"] in [line.split() for line in lines]
    assert lines[-1] == "waits for 3 of 200 requests in the canary arm"
    assert side_by_side(None) == "no rollout is under way"
