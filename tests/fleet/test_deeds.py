"""What operators do to a fleet under traffic: a bad card, a reload, an upgrade, feedback.

Beside eight clients of its HTTP API, each answer compared with what a fresh PEFT load of the named generation writes.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import httpx
from kits import real_ray
from kits.fleet_adapters import Stock
from kits.fleet_http import KEY, Deployed
from kits.fleet_load import REPLICAS, load
from kits.fleet_notes import VETO
from kits.fleet_watched import START, wait_until

from hotswapd.daemon.errors import FleetCode
from hotswapd.loaders.store.store import digest_of

pytestmark = real_ray.within(1800)
_TIMES = 3
_STRICT = "max_logit = 0.000001"
"""With this nothing is fit."""


def test_a_bad_card_leaves_the_rotation_and_is_named(fleet: Deployed, stock: Stock) -> None:
    """It refuses what all others find fit, twice: the adapter is refused, the replica is replaced, then all is well."""
    with load(fleet, stock, "a bad card") as row:
        assert fleet.watched.change(a=stock.good(0)) == "live"
        fleet.notes.spoil_a_card()
        adapter = stock.good(1)
        (address,) = fleet.watched.bring({"a": adapter})
        said = fleet.watched.outcome([address])
        odd = fleet.notes.spoilt()
        wait_until(lambda: odd not in fleet.notes.pids(), "the replica is not replaced")
        wait_until(lambda: len(fleet.watched.serving()) == REPLICAS, "no other takes its place")
        again = fleet.operate("submit", address, "--again", "--channel", "a")
        assert again.returncode == 0, again.stderr
        fleet.await_live("a", digest_of(adapter))
    assert said.startswith("refused: ")
    assert VETO in said
    assert odd in said
    replaced = fleet.watched.ask("/status")["replaced"]
    assert replaced["counts"][FleetCode.REPLICA_ODD] == 1
    assert [one["name"] for one in replaced["last"]] == [odd]
    assert row.is_clean, row


def test_a_reload_holds_for_every_replica(fleet: Deployed, stock: Stock) -> None:
    """What the file forbids from now on is refused by the next change, and taken once it allows it again."""
    before = fleet.config.read_text()
    with load(fleet, stock, f"hotswapd fleet reload, {2 * _TIMES} times") as row:
        for number in range(_TIMES):
            fleet.configure("verify", _STRICT)
            assert fleet.command("reload").stdout == "the fleet goes by it; changed: verify\n"
            assert fleet.watched.change(b=stock.good(number)).startswith("refused: ")
            fleet.config.write_text(before)
            assert fleet.command("reload").returncode == 0
            assert fleet.watched.change(b=stock.good(number)) == "live"
    fleet.configure("model", 'quantization = "bnb-8bit"')
    refused = fleet.command("reload")
    fleet.config.write_text(before)
    assert (refused.returncode, "model.quantization" in refused.stderr) == (78, True), refused.stderr
    assert row.is_clean, row


def test_a_deployment_upon_a_deployment_costs_no_answer(fleet: Deployed, stock: Stock) -> None:
    """As an upgrade does it: another watcher, and ingresses and replicas that Serve puts in the place of the old."""
    with load(fleet, stock, f"an upgrade under traffic, {_TIMES} times") as row:
        for number in range(_TIMES):
            before = fleet.census.all()
            fleet.bring_up()
            assert fleet.watched.change(default=stock.good(number)) == "live"
            wait_until(partial(_are_gone, fleet, before), "the old ones do not go")
    assert row.is_clean, row
    assert len(row.generations) >= _TIMES, row


def _are_gone(fleet: Deployed, before: Mapping[str, list[int]]) -> bool:
    """Tell whether the processes of a deployment have all ended; Serve's own stay."""
    return all(not set(before[kind]) & set(fleet.census.pids(kind)) for kind in ("replica", "ingress", "watcher"))


def test_any_ingress_takes_feedback(fleet: Deployed) -> None:
    """On answers that it may not have given: of two ingresses, which one is asked is Serve's choice."""
    head = {"Authorization": f"Bearer {KEY}"}
    for _ in range(4 * REPLICAS):
        answer = fleet.client().completions.with_raw_response.create(model="tiny", prompt=[5], max_tokens=1)
        score: dict[str, Any] = {"id": answer.parse().id, "score": 1.0}
        said = httpx.post(f"{fleet.url}/v1/feedback", json=score, headers=head, timeout=START)
        assert said.status_code == 200, said.text
        assert said.json()["generation"] == int(answer.headers["X-Hotswapd-Generation"])
    forged = score | {"id": f"{score['id'][:-4]}0000"}
    assert httpx.post(f"{fleet.url}/v1/feedback", json=forged, headers=head, timeout=START).status_code == 404
