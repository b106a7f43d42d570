"""Each thing that goes wrong at a Hub has its own code and sentence, changes nothing, and passes by itself."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from kits.clock import Clock
from kits.hub import REPO, adapter, fails, opened, serves, sight
from kits.hub_server import Exchange, HubServer

from hotswapd.loaders.errors import SourceDown, Unavailable
from hotswapd.loaders.hub.errors import CallContext, named_wait, trouble_of
from hotswapd.loaders.store.store import Store

Act = Callable[[Exchange], None]


def refusing(status: int, code: str = "", headers: dict[str, str] | None = None) -> Act:
    def act(exchange: Exchange) -> None:
        exchange.refuse(status, code, headers)

    return act


def redirecting(place: str) -> Act:
    def act(exchange: Exchange) -> None:
        exchange.send(302, headers={"Location": place})

    return act


def listing(entry: bytes) -> Act:
    return lambda exchange: exchange.send(200, b"[" + entry + b"]")


def hanging_up(exchange: Exchange) -> None:
    exchange.close_connection = True


def garbage(exchange: Exchange) -> None:
    exchange.wfile.write(b"\x16\x03\x01 this is no HTTP\r\n\r\n")
    exchange.close_connection = True


FAULTS: list[tuple[Act, str, str]] = [
    (refusing(401), "hub_not_found", "private or gated: check repo and token_file"),
    (refusing(401, "RepoNotFound"), "hub_not_found", "without a token"),
    (refusing(401, "GatedRepo"), "hub_gated", "accept its terms"),
    (refusing(403, "GatedRepo"), "hub_gated", "accept its terms"),
    (refusing(403), "hub_forbidden", "use a token with read access"),
    (refusing(404, "RepoNotFound"), "hub_not_found", "misspelled, renamed, deleted, private or gated"),
    (refusing(404), "hub_not_found", "check repo"),
    (refusing(404, "RevisionNotFound"), "hub_revision_not_found", "'main': check revision"),
    (refusing(400), "hub_bad_answer", "answers 400"),
    (refusing(429), "rate_limited", "too many requests"),
    (refusing(500), "hub_server_error", "answers 500"),
    (refusing(502), "hub_server_error", "answers 502"),
    (refusing(503), "hub_server_error", "answers 503"),
    (refusing(504), "hub_server_error", "answers 504"),
    (lambda exchange: exchange.send(200, b"hello"), "hub_bad_answer", "does not name a commit"),
    (lambda exchange: exchange.send(200, b"", {"X-Repo-Commit": "main"}), "hub_bad_answer", "does not name a commit"),
    (redirecting("https://login.example/"), "hub_bad_answer", "does not name a commit"),
    (redirecting("http://[nowhere"), "hub_bad_answer", "a malformed address"),
    (hanging_up, "hub_unreachable", "check network, proxy and endpoint"),
    (garbage, "hub_unreachable", "check network, proxy and endpoint"),
]


@pytest.mark.parametrize(("act", "code", "words"), FAULTS, ids=[f"{n}-{row[1]}" for n, row in enumerate(FAULTS)])
def test_each_failure_of_a_scan_has_a_code_and_passes(
    hub: HubServer, store: Store, act: Act, code: str, words: str
) -> None:
    hub.commit(REPO, adapter(b"old!"))
    with opened(hub) as source:
        serves(source, store, b"old!")
        hub.fault("api HEAD", act)
        with pytest.raises(SourceDown) as raised:
            source.scan()
        assert raised.value.code == code
        assert words in raised.value.sentence
        hub.mend()
        hub.commit(REPO, adapter(b"new!"))
        serves(source, store, b"new!")


def test_an_outage_is_never_no_change(hub: HubServer) -> None:
    """The client library answers such a question from its cache; a source must not."""
    hub.commit(REPO, adapter())
    with opened(hub) as source:
        sight(source)
        hub.fault(".", refusing(503))
        for _ in range(3):
            with pytest.raises(SourceDown):
                source.scan()


@pytest.mark.parametrize(
    ("act", "code"),
    [
        (refusing(404, "RevisionNotFound"), "revision_gone"),
        (refusing(503), "hub_server_error"),
        (refusing(429), "rate_limited"),
        (refusing(403, "GatedRepo"), "hub_gated"),
        (lambda exchange: exchange.send(200, b"<html>"), "hub_bad_answer"),
        (lambda exchange: exchange.send(200, b"[" * 100_000), "hub_bad_answer"),
        (lambda exchange: exchange.send(200, b"[1]"), "hub_bad_answer"),
        (
            lambda exchange: exchange.send(200, b'[{"type": "file", "path": "x", "size": -1, "oid": ""}]'),
            "hub_bad_answer",
        ),
        (lambda exchange: exchange.send(200, b" " * (9 << 20)), "hub_bad_answer"),
        (listing(b'{"type": "file", "path": "x", "size": 1e999, "oid": ""}'), "hub_bad_answer"),
        (listing(b'{"type": "file", "path": "x", "size": 1, "oid": "", "lfs": "text"}'), "hub_bad_answer"),
        (listing(b'{"type": "file", "path": "x", "size": 1, "oid": "", "lastCommit": {"date": 3}}'), "hub_bad_answer"),
    ],
)
def test_a_failed_list_of_files_is_source_down(hub: HubServer, store: Store, act: Act, code: str) -> None:
    hub.commit(REPO, adapter())
    hub.fault("POST .*/paths-info/", act, times=1)
    with opened(hub) as source:
        with pytest.raises(SourceDown) as raised:
            source.scan()
        assert raised.value.code == code
        serves(source, store, b"\1\2\3\4")


@pytest.mark.parametrize(
    ("act", "code"),
    [
        (refusing(401), "hub_not_found"),
        (refusing(403), "hub_forbidden"),
        (refusing(403, "GatedRepo"), "hub_gated"),
        (refusing(404, "RepoNotFound"), "hub_not_found"),
        (refusing(429), "rate_limited"),
        (refusing(500), "hub_server_error"),
        (hanging_up, "hub_unreachable"),
        (garbage, "hub_unreachable"),
    ],
)
@pytest.mark.parametrize("where", ["api GET", "cdn GET"])
def test_each_failure_of_a_fetch_waits_and_leaves_nothing(
    hub: HubServer, store: Store, where: str, act: Act, code: str
) -> None:
    hub.commit(REPO, adapter())
    with opened(hub) as source:
        sighting = sight(source)
        hub.fault(where, act, times=1)
        error = fails(source, sighting, store)
        assert isinstance(error, Unavailable)
        assert error.code == code
        serves(source, store, b"\1\2\3\4")


def test_a_private_repository_looks_missing_without_a_token(hub: HubServer) -> None:
    hub.commit(REPO, adapter())
    hub.repos[REPO].private = True
    with opened(hub) as source, pytest.raises(SourceDown) as raised:
        source.scan()
    assert raised.value.code == "hub_not_found"


def test_a_repository_that_became_gated_is_down(hub: HubServer, store: Store) -> None:
    hub.commit(REPO, adapter())
    with opened(hub) as source:
        sighting = sight(source)
        hub.repos[REPO].gated = True
        assert fails(source, sighting, store).code == "hub_gated"
        with pytest.raises(SourceDown) as raised:
            source.scan()
        assert raised.value.code == "hub_gated"


def test_a_renamed_repository_is_named_by_its_new_name(hub: HubServer) -> None:
    hub.commit("org/renamed", adapter())
    hub.renamed[REPO] = "org/renamed"
    with opened(hub) as source, pytest.raises(SourceDown) as raised:
        source.scan()
    assert raised.value.code == "hub_renamed"
    assert 'write repo = "org/renamed"' in raised.value.sentence


def test_a_branch_at_a_dead_commit_is_gone_until_it_moves(hub: HubServer, store: Store) -> None:
    commit = hub.commit(REPO, adapter())
    dead = "d" * 40
    hub.fault("api HEAD", lambda exchange: exchange.send(200, headers={"X-Repo-Commit": dead}), times=1)
    with opened(hub) as source:
        with pytest.raises(SourceDown) as raised:
            source.scan()
        assert raised.value.code == "revision_gone"
        assert dead in raised.value.sentence
        assert sight(source).revision == commit
        serves(source, store, b"\1\2\3\4")


def test_a_pinned_commit_that_was_rewritten_away_is_gone(hub: HubServer) -> None:
    commit = hub.commit(REPO, adapter())
    hub.force_push(REPO, adapter(b"new!"))
    with opened(hub, revision=commit) as source, pytest.raises(SourceDown) as raised:
        source.scan()
    assert raised.value.code == "revision_gone"


@pytest.mark.parametrize(
    ("status", "headers", "wait"),
    [
        (429, {"RateLimit": '"api";r=0;t=120', "RateLimit-Policy": '"fixed window";"api";q=500;w=300'}, 121.0),
        (429, {"Retry-After": "40"}, 40.0),
        (503, {"Retry-After": "40"}, 40.0),
        (429, {"Retry-After": "999999"}, 3600.0),
    ],
)
def test_the_wait_that_the_hub_names_is_kept(hub: HubServer, status: int, headers: dict[str, str], wait: float) -> None:
    hub.commit(REPO, adapter())
    clock = Clock()
    with opened(hub, clock=clock) as source:
        hub.fault("api HEAD", refusing(status, headers=headers), times=1)
        with pytest.raises(SourceDown) as raised:
            source.scan()
        assert raised.value.retry_after == wait
        clock.now += wait - 1
        with hub.counting() as seen, pytest.raises(SourceDown) as again:
            source.scan()
        assert seen == []
        assert (again.value.code, again.value.retry_after) == (raised.value.code, 1.0)
        clock.now += 1
        sight(source)


def test_a_scan_keeps_the_wait_named_to_a_fetch(hub: HubServer, store: Store) -> None:
    hub.commit(REPO, adapter())
    with opened(hub, clock=Clock()) as source:
        sighting = sight(source)
        hub.fault("cdn GET", refusing(429, headers={"Retry-After": "60"}), times=1)
        error = fails(source, sighting, store)
        assert isinstance(error, Unavailable)
        assert error.retry_after == 60.0
        with hub.counting() as seen, pytest.raises(SourceDown):
            source.scan()
        assert seen == []


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({}, None),
        ({"Retry-After": ""}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "0"}, 0.0),
        ({"Retry-After": "Mon, 01 Jan 2001 00:00:00 GMT"}, 0.0),
        ({"Retry-After": format_datetime(datetime.now(UTC) + timedelta(days=2), usegmt=True)}, 3600.0),
        ({"RateLimit": '"api";r=7;t=120', "Retry-After": "9"}, 9.0),
        ({"RateLimit": "nonsense"}, None),
        ({"Retry-After": "9" * 400}, 3600.0),
        ({"Retry-After": f"Mon, 01 Jan {'9' * 20} 00:00:00 GMT"}, None),
        ({"RateLimit": f'"api";r=0;t={"9" * 400}'}, 3600.0),
    ],
)
def test_named_waits_are_parsed_and_bounded(headers: dict[str, str], wait: float | None) -> None:
    lower = {name.lower(): value for name, value in headers.items()}
    assert named_wait({**headers, **lower}) == wait


def test_a_refused_token_names_the_file_it_came_from() -> None:
    asked = CallContext("https://hub.example", REPO, "main", "/run/token", by_commit=False)
    trouble = trouble_of(401, {}, asked)
    assert trouble.code == "hub_unauthorized"
    assert "/run/token" in trouble.sentence
    assert trouble_of(401, {"X-Error-Code": "RepoNotFound"}, asked).code == "hub_not_found"


def test_offline_mode_is_not_an_outage(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.commit(REPO, adapter())
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with opened(hub) as source, pytest.raises(SourceDown) as raised:
        source.scan()
    assert raised.value.code == "hub_offline"
