"""A fleet's HTTP API on a real Ray, brought up by its own command; `make fleet` prints a row for each test.

Every answer is compared with the text that a fresh PEFT load of the generation that it names would have written.
"""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from kits import real_ray
from kits.crowd import crowd
from kits.daemon_fakes import FakeFace
from kits.fleet_asking import GENERATION, Asking
from kits.fleet_census import kill
from kits.fleet_http import KEY, Deployed, deployed
from kits.fleet_rows import Row
from kits.fleet_watched import CHANNELS, START
from kits.fronts import front
from kits.models import text_of
from kits.rows import ADAPTERS, SHORT_ASK, adapter, home, reference
from kits.waiting import until

from hotswapd.daemon.ledger.generation import BASE_DIGEST
from hotswapd.loaders.store.store import digest_of

pytestmark = real_ray.within(900)
CHANGES = 12
CLIENTS, REPLICAS, SHORT, LONG = 8, 3, 16, 200


@pytest.fixture(scope="module")
def fleet() -> Iterator[Deployed]:
    with deployed(home() / "base", REPLICAS) as made:
        yield made


def truth(tokens: int) -> Mapping[str, str]:
    """Return what each adapter's fresh PEFT load writes, by the first digits of its digest."""
    said = {digest_of(adapter(index)): reference(index, SHORT_ASK, tokens) for index in range(ADAPTERS)}
    said[BASE_DIGEST] = reference(None, SHORT_ASK, tokens)
    return {digest[:12]: text_of(list(ids)) for digest, ids in said.items()}


@contextmanager
def load(fleet: Deployed, name: str, tokens: int) -> Iterator[Row]:
    """Ask without a pause as long as the block runs, then print the row."""
    asking, resumed = Asking(fleet.client, name, SHORT_ASK, tokens), fleet.resumed()
    with crowd(CLIENTS, asking):
        yield asking.row
    asking.check(truth(tokens))
    asking.row.resumed = fleet.resumed() - resumed
    print(f"\n{asking.row}")


def test_changes_under_load(fleet: Deployed) -> None:
    with load(fleet, f"{CHANGES} changes over three channels, HTTP", SHORT) as row:
        for number in range(CHANGES):
            channel, path = CHANNELS[number % 3], adapter(number % ADAPTERS)
            fleet.watched.bring({channel: path})
            fleet.await_live(channel, digest_of(path))
    assert row.is_clean, row
    assert len(row.generations) >= CHANGES // 2, row


def test_kill_9_of_a_replica_in_mid_stream(fleet: Deployed) -> None:
    with load(fleet, "answers of 200 tokens, kill -9 of a replica, three times, HTTP", LONG) as row:
        for _ in range(3):
            begun = row.begun
            until(lambda begun=begun: row.begun > begun, "nobody is answered", START)  # type: ignore[misc]
            pids = fleet.census.pids("replica")
            kill(pids[0])
            until(lambda pids=pids: len(set(fleet.census.pids("replica")) - {pids[0]}) == REPLICAS, "none came", START)  # type: ignore[misc]
    assert row.is_clean, row
    assert row.resumed > 0, row


def test_who_is_let_in_and_what_is_not_found_is_said_as_one_daemon_says_it(fleet: Deployed, tmp_path: Path) -> None:
    bad: list[tuple[str, dict[str, Any], dict[str, str]]] = [
        ("/v1/completions", {"model": "tiny", "prompt": [5]}, {}),
        ("/v1/completions", {"model": "tiny", "prompt": [5]}, {"Authorization": "Bearer wrong"}),
        ("/v1/nothing", {}, {"Authorization": f"Bearer {KEY}"}),
    ]
    keys = str(fleet.room / "keys")
    with front(FakeFace(), tmp_path, "tiny", api_keys_file=keys) as one:
        for path, body, headers in bad:
            here, there = (
                httpx.post(f"{url}{path}", json=body, headers=headers, timeout=START) for url in (one.url, fleet.url)
            )
            assert here.status_code in (401, 404)
            assert (here.status_code, here.json()) == (there.status_code, there.json())
            assert here.headers.get("WWW-Authenticate") == there.headers.get("WWW-Authenticate")
    mine = {"Authorization": f"Bearer {KEY}"}
    for name in ("nobody", "a@g0", "a@g99"):
        answer = httpx.post(f"{fleet.url}/v1/completions", json={"model": name, "prompt": [5]}, headers=mine)
        print(name, answer.status_code, answer.text)
        assert answer.status_code == (200 if name == "a@g0" else 404)


def test_models_health_and_a_chat(fleet: Deployed) -> None:
    assert httpx.get(f"{fleet.url}/health", timeout=START).status_code == 200
    listed = [model.id for model in fleet.client().models.list()]
    assert listed[0] == "tiny"
    assert {"a", "b"} <= set(listed)
    chat: Any = fleet.client().chat.completions.with_raw_response.create(
        model="a", messages=[{"role": "user", "content": "hi"}], n=2, max_tokens=5, seed=1, logprobs=True
    )
    choices = chat.parse().choices
    assert chat.headers[GENERATION] != "0"
    assert [len(choice.logprobs.content) for choice in choices] == [5, 5]


def test_operators_ask_an_ingress_with_a_key_of_their_own(fleet: Deployed) -> None:
    """By the commands of one daemon: each replica is named, a rollback holds, and a client's key opens nothing."""
    for index in (0, 1):
        fleet.watched.bring({"a": adapter(index)})
        fleet.await_live("a", digest_of(adapter(index)))
    newer = fleet.fingerprint("a")
    status = fleet.operate("status", "--json", "--channel", "a")
    assert status.returncode == 0, status.stderr
    replicas = json.loads(status.stdout)["replicas"]
    assert len(replicas) >= REPLICAS
    assert sum(one["serving"] for one in replicas) >= REPLICAS
    assert fleet.operate("rollback", "--channel", "a", key="client").returncode == 3
    assert fleet.fingerprint("a") == newer
    back = fleet.operate("rollback", "--channel", "a")
    assert back.returncode == 0, back.stderr
    assert digest_of(adapter(0))[:12] in fleet.fingerprint("a")
    assert "pinned" in fleet.operate("status", "--channel", "a").stdout
    assert fleet.operate("unpin", "--channel", "a").returncode == 0
    assert "rollback" in fleet.operate("history", "--actions").stdout
    mine = {"Authorization": f"Bearer {KEY}"}
    shown = httpx.get(f"{fleet.url}/status.json", headers=mine, timeout=START).json()["status"]
    assert [one["name"] for one in shown["replicas"]] == [one["name"] for one in replicas]
    assert "hotswapd_" in httpx.get(f"{fleet.url}/metrics", timeout=START).text


def test_a_client_that_goes_away_frees_its_place(fleet: Deployed) -> None:
    """All at once, more than a replica computes at a time: whoever comes after them is answered."""
    body = {"model": "tiny", "prompt": [5], "max_tokens": 250, "stream": True, "ignore_eos": True}
    head = {"Authorization": f"Bearer {KEY}"}

    def leave() -> None:
        with httpx.stream("POST", f"{fleet.url}/v1/completions", json=body, headers=head, timeout=START) as answer:
            assert answer.status_code == 200
            next(answer.iter_raw())

    leaving = [threading.Thread(target=leave) for _ in range(32)]
    for one in leaving:
        one.start()
    for one in leaving:
        one.join(START)
    assert fleet.fingerprint("default")


def test_a_fleet_is_deleted_and_comes_back_with_what_was_live(fleet: Deployed) -> None:
    before = fleet.fingerprint("a")
    assert fleet.command("delete").returncode == 0
    assert fleet.command("delete").returncode == 4
    done = fleet.command("deploy")
    assert done.returncode == 0, done.stderr
    assert fleet.fingerprint("a") == before


def test_serve_runs_the_same_application(fleet: Deployed) -> None:
    """With a watcher, which the first ingress has started: what is brought goes live."""
    assert fleet.command("delete").returncode == 0
    done = fleet.serve_run()
    assert done.returncode == 0, done.stderr
    fleet.watched.bring({"b": adapter(ADAPTERS - 1)})
    fleet.await_live("b", digest_of(adapter(ADAPTERS - 1)))
