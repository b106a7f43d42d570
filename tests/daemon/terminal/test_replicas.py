"""What a person sees of a fleet's replicas."""

from typing import Any, cast

import pytest
from kits.pages import status, text

from hotswapd.daemon.replicas import ReplicaStatus
from hotswapd.daemon.terminal.replicas import replica_lines
from hotswapd.daemon.terminal.status import status_page

TRIAL = {"digest": "ab" * 32, "uri": "file:///a/run-7", "answer": "fit", "code": None, "sentence": None}


def replica(**changes: Any) -> ReplicaStatus:
    loaded = {"berth": 0, "generation": 3, "digest": "ab" * 32, "use": "canary", "active": 2, "waiting": 1}
    base = {**loaded, "berth": None, "generation": 0}
    found = {"name": "r#1", "serving": True, "silent": 0.1, "answering": [3], "loaded": [base, loaded]}
    return cast("ReplicaStatus", {**found, "active": 2, "waiting": 1, "trial": TRIAL, "trouble": None, **changes})


def test_a_fleets_status_names_each_replica_and_what_it_holds() -> None:
    page = text(status_page(status(replicas=[replica(), replica(name="r#2", serving=False)])))
    assert "serves  r#1  3; 1 berths in use, 2 active, 1 waiting" in page
    assert "starts  r#2" in page
    assert "found run-7 fit" in page


def test_one_daemon_has_none() -> None:
    assert "replicas" not in text(status_page(status(replicas=[])))


def test_replaced_replicas_are_named_with_the_reason() -> None:
    said = {"name": "r#3", "code": "replica_odd", "sentence": "refused twice by r#3", "at": "2026-01-01T00:00:00.000Z"}
    page = text(status_page(status(replicas=[replica()], replaced={"counts": {"replica_odd": 1}, "last": [said]})))
    assert "r#3, 2026-01-01T00:00:00.000Z: replica_odd refused twice by r#3" in page
    assert "replaced" not in text(status_page(status(replicas=[replica()], replaced={"counts": {}, "last": []})))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"silent": 4.4}, "silent for 4 s"),
        ({"trouble": "the device is bad"}, "unfit: the device is bad"),
        (
            {"trial": {**TRIAL, "answer": "refused", "code": "non_finite", "sentence": "NaN"}},
            "refused run-7: non_finite NaN",
        ),
        ({"answering": []}, "r#1  the base alone"),
    ],
)
def test_what_is_wrong_with_one_is_said(changes: dict[str, Any], said: str) -> None:
    assert said in text(replica_lines(replica(**changes)))
    assert said not in text(replica_lines(replica()))
