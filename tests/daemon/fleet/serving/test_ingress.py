"""A fleet as its clients meet it, in HTTP: what a replica's death does to an answer, and whom an ingress lets in.

What is the same as in a daemon of one process, `tests/daemon/serve/` asks of both.
"""

import asyncio
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from kits.fleet_serving import FleetServed, Line, exceptions, fleet_served, record
from kits.models import text_of
from kits.rows import LONG, home
from kits.serving import GENERATION, MODEL

from hotswapd.daemon.config.settings import Settings
from hotswapd.daemon.config.tables import Model, Serve
from hotswapd.daemon.errors import NotReady
from hotswapd.daemon.fleet.limits import Limits
from hotswapd.daemon.fleet.serving import ingress
from hotswapd.daemon.fleet.serving.ingress import IngressFace
from hotswapd.daemon.fleet.serving.piece import Described
from hotswapd.daemon.fleet.serving.place import Together
from hotswapd.daemon.fleet.shared.trail import Term
from hotswapd.swap.rows.sampling import Sampling

PROMPT, TOKENS = "the cat sat", 16
DRAWN = {"temperature": 0.9, "seed": 11, "top_p": 0.95}


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FleetServed]:
    with fleet_served(tmp_path_factory.mktemp("room")) as made:
        made.bench.swap(0)
        yield made


def complete(one: FleetServed, *deaths: int, **fields: Any) -> Any:
    """Ask, and let the replicas of the next answers die after so many tokens; return the first choice."""
    one.handle.wanted.clear()
    one.handle.dies_after[:] = deaths
    body = {"model": MODEL, "prompt": PROMPT, "max_tokens": TOKENS, "temperature": 0, "ignore_eos": True, **fields}
    answer = httpx.post(f"{one.url}/v1/completions", json=body, timeout=LONG)
    assert answer.status_code == 200, answer.text
    return answer.json()["choices"]


SCORED: tuple[dict[str, Any], ...] = ({"logprobs": 2}, {"echo": True, "logprobs": 1})


@pytest.mark.parametrize("fields", [{}, DRAWN, {"presence_penalty": 1.5}, *SCORED])
@pytest.mark.parametrize("deaths", [(1,), (5, 4, 2), (TOKENS,)])
def test_an_answer_outlives_its_replicas(one: FleetServed, fields: dict[str, Any], deaths: tuple[int, ...]) -> None:
    """With the very tokens and log-probabilities that it would have had."""
    (whole,) = complete(one, **fields)
    (parts,) = complete(one, *deaths, **fields)
    assert (parts["text"], parts["finish_reason"]) == (whole["text"], whole["finish_reason"])
    assert len(one.handle.wanted) > 1 or deaths == (TOKENS,)
    if fields in SCORED:
        numbers = [[*map(scored, choice["logprobs"]["token_logprobs"])] for choice in (parts, whole)]
        assert parts["logprobs"]["tokens"] == whole["logprobs"]["tokens"]
        assert numbers[0] == pytest.approx(numbers[1], abs=1e-4)


def scored(logprob: float | None) -> float:
    return 1.0 if logprob is None else logprob


def test_a_stop_word_that_a_death_cuts_in_two_is_found(one: FleetServed) -> None:
    """The first half is one replica's, the second the next one's; neither knows of the word."""
    whole = complete(one)[0]["text"]
    place = 4
    stop = whole[place : place + 4]
    assert whole.index(stop) == place, "the word comes earlier: choose another prompt"
    (cut,) = complete(one, place + 2, stop=[stop])
    assert (cut["text"], cut["finish_reason"]) == (whole[:place], "stop")
    assert [member for member, _ in one.handle.wanted] == ["x", "y"]


def test_a_request_without_a_seed_is_given_one_that_outlives_its_replica(one: FleetServed) -> None:
    complete(one, 3, temperature=1.0)
    first, second = [wanted.ask.sampling.seed for _, wanted in one.handle.wanted]
    assert first == second
    complete(one, temperature=1.0)
    assert one.handle.wanted[0][1].ask.sampling.seed != first


def test_all_answers_of_a_request_are_one_generations_though_the_pointer_moves(one: FleetServed) -> None:
    class Moves(list[tuple[str, Any]]):
        """Makes another generation live when the first of the answers has been sent for."""

        def append(self, sent: tuple[str, Any]) -> None:
            super().append(sent)
            if len(self) == 1:
                one.bench.open(1)
                now = one.bench.term.now  # type: ignore[attr-defined]
                newest = record(max(one.bench.made), digest=f"{2:064x}")
                one.bench.term.write(now.next({**now.routes, "default": newest}))  # type: ignore[attr-defined]

    before = one.bench.live.number
    one.handle.wanted = Moves()
    body = {"model": MODEL, "prompt": PROMPT, "max_tokens": 4, "temperature": 0, "n": 3}
    answer = httpx.post(f"{one.url}/v1/completions", json=body, timeout=LONG)
    assert (answer.status_code, answer.headers[GENERATION]) == (200, str(before))
    assert {wanted.tag.number for _, wanted in one.handle.wanted} == {before}
    one.handle.wanted = []
    after = httpx.post(f"{one.url}/v1/completions", json=body, timeout=LONG)
    assert after.headers[GENERATION] == str(before + 1)


def test_keys_and_limits_are_asked_for_as_in_one_daemon(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text(f"me {hashlib.sha256(b'secret').hexdigest()} requests=2\n")
    keys.chmod(0o600)
    with fleet_served(tmp_path, Serve(api_keys_file=str(keys))) as one:
        ask = {"model": MODEL, "prompt": PROMPT, "max_tokens": 2}
        said = [httpx.post(f"{one.url}/v1/completions", json=ask, timeout=LONG)]
        mine = {"Authorization": "Bearer secret"}
        said += [httpx.post(f"{one.url}/v1/completions", json=ask, headers=mine, timeout=LONG) for _ in range(3)]
    assert [answer.status_code for answer in said] == [401, 200, 200, 429]
    assert [said[at].json()["error"]["code"] for at in (0, 3)] == ["invalid_api_key", "rate_limited"]


def test_an_ingress_knows_only_a_part_of_what_a_status_page_says(one: FleetServed) -> None:
    assert [httpx.get(f"{one.url}{path}").status_code for path in ("/", "/status.json", "/metrics")] == [404] * 3
    assert httpx.get(f"{one.url}/health").status_code == 200


def test_before_a_replica_has_loaded_the_model_nobody_is_answered(one: FleetServed) -> None:
    face = IngressFace(dispatcher=None, tokenizer=None)  # type: ignore[arg-type] # nobody is asked
    assert (face.ready().ready, face.ready().reason) == (False, "no replica has loaded the model yet")
    with pytest.raises(NotReady, match="no replica has loaded the model yet; try again in a moment"):
        face.answerer()


class Replicas:
    """Stands for Serve's handle while the replicas start: `describe` fails as often as it is told to."""

    def __init__(self, described: Any, *failures: Exception) -> None:
        self.described, self.failures = described, list(failures)
        self.describe = self
        self.settled = asyncio.Event()

    def options(self, **_: Any) -> "Replicas":
        return self

    def remote(self) -> Any:
        return self._answer()

    async def _answer(self) -> Any:
        if self.failures:
            raise self.failures.pop(0)
        self.settled.set()
        return self.described


def test_an_ingress_asks_for_the_model_until_a_replica_has_loaded_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has the tokenizer itself, and everything else from the replica.

    Before a watcher has begun nobody knows what is live: a shared place in which nothing lies may be the wrong one.
    """
    started, looked = list[str](), list[bool]()
    known = ingress.Ingress._is_known

    def look(made: ingress.Ingress) -> bool:
        looked.append(known(made))
        return looked[-1]

    monkeypatch.setattr(ingress.Ingress, "_is_known", look)
    monkeypatch.setattr(ingress, "start_watcher", lambda settings, together: started.append(together.watcher))
    monkeypatch.setattr(ingress, "_AGAIN", 0.0)
    monkeypatch.setattr(ingress, "log_to_ray", lambda settings: None)
    monkeypatch.setattr(Line, "call", lambda *_: None)
    settings = Settings(model=Model(base=str(home() / "base")))
    usual = Sampling(0.7)

    async def begin() -> tuple[bool, Any]:
        replicas = Replicas(Described(100, 260, usual), exceptions.RayActorError(), TimeoutError())
        together = Together(str(tmp_path), "w", Limits())
        made = ingress.Ingress(settings, together, replicas)
        before = made._face.ready().ready
        while not looked:
            await asyncio.sleep(0)
        before |= made._face.ready().ready or replicas.settled.is_set()
        Term.begin(together.trail(), "w")
        await replicas.settled.wait()
        await made._meeting
        made._dispatcher.close()
        return before, made._face.answerer()

    before, answerer = asyncio.run(begin())
    assert (before, started) == (False, ["w"])
    assert answerer.context() == 100
    assert answerer.untokenized([104, 105]) == text_of([104, 105])
