"""How the process stands: what is worst is said first, and neither part of the operator's side is half made."""

from typing import Any, cast

from hotswapd.daemon.control.part import Starting, Working
from hotswapd.daemon.control.standing import Standing
from hotswapd.daemon.ledger.generation import base_generation


def test_a_start_says_what_it_does() -> None:
    standing = Standing(Starting(base_generation("m", 0.0)))
    assert (standing.is_working, standing.readiness().reason) == (False, "the daemon is starting")
    standing.phase = "loading the weights"
    assert standing.readiness().reason == "loading the weights"


def test_a_loss_comes_before_a_stop_and_a_stop_before_ready() -> None:
    working = Working(*cast("Any", [None] * 6))
    standing = Standing(working)
    assert (standing.is_working, standing.readiness().ready, standing.readiness().reason) == (True, True, "")
    standing.stopping = True
    assert (standing.readiness().ready, standing.readiness().reason) == (False, "the daemon is stopping")
    standing.lost = "the model does not answer any more"
    assert standing.readiness().reason == "the model does not answer any more"


def test_before_the_model_answers_the_base_counts_as_live() -> None:
    """And nothing is loaded, verified, watched or compared."""
    part = Starting(base_generation("m", 0.0))
    assert part.live.number == 0
    assert (part.loaded(), part.lives(), part.resident(), part.verifying()) == ((), (), {}, None)
    (shown,) = part.shown(part.names())
    assert (shown.name, shown.live.number, shown.watch, shown.rollout) == ("default", 0, None, None)
