"""A fetch brings exactly the two files of the sighted commit, proved by their hashes, or it brings nothing."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants
from kits.folders import CONFIG, WEIGHTS, weights
from kits.hub import GO, REPO, adapter, fails, left_over, opened, serves, sight
from kits.hub_server import Exchange, HubServer

from hotswapd.loaders.errors import Gone, Refused, Unavailable
from hotswapd.loaders.hub.source import HubSource
from hotswapd.loaders.source import Sighting
from hotswapd.loaders.store.store import Store
from hotswapd.loaders.uri import AdapterURI


@pytest.fixture
def source(hub: HubServer) -> Iterator[HubSource]:
    with opened(hub, max_bytes=1 << 20) as source:
        yield source


def test_a_fetched_adapter_is_the_commits_byte_for_byte(hub: HubServer, source: HubSource, store: Store) -> None:
    hub.commit(REPO, {**adapter(b"\7" * 5000), "optimizer.pt": b"o" * 100})
    artifact = source.fetch(sight(source), store, GO)
    assert artifact.digest == hashlib.sha256(b'{"r": 8}' + weights(b"\7" * 5000)).hexdigest()
    assert (artifact.path / WEIGHTS).read_bytes() == weights(b"\7" * 5000)
    assert sorted(path.name for path in artifact.path.iterdir()) == [CONFIG, WEIGHTS]
    assert left_over(store) == [artifact.digest]


def test_a_sighted_commit_is_fetched_after_the_branch_moved(hub: HubServer, source: HubSource, store: Store) -> None:
    commit = hub.commit(REPO, adapter(b"old!"))
    sighting = sight(source)
    hub.commit(REPO, adapter(b"new!"))
    with hub.counting() as seen:
        artifact = source.fetch(sighting, store, GO)
    assert (artifact.path / WEIGHTS).read_bytes() == weights(b"old!")
    assert all(commit in request.path for request in seen)


def test_an_older_sighting_is_fetched_by_its_own_commit(hub: HubServer, source: HubSource, store: Store) -> None:
    hub.commit(REPO, adapter(b"old!"))
    sighting = sight(source)
    hub.commit(REPO, adapter(b"new!"))
    assert sight(source).revision != sighting.revision
    artifact = source.fetch(sighting, store, GO)
    assert (artifact.path / WEIGHTS).read_bytes() == weights(b"old!")


def test_the_clients_cache_does_not_grow(
    hub: HubServer, source: HubSource, store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("HF_HUB_CACHE", "HF_HOME", "HF_XET_CACHE", "HF_ASSETS_CACHE"):
        monkeypatch.setattr(constants, name, str(tmp_path / "cache"), raising=False)
    hub.commit(REPO, adapter())
    serves(source, store, b"\1\2\3\4")
    assert not (tmp_path / "cache").exists()


def other_bytes(exchange: Exchange) -> None:
    """Answer with as many bytes as asked for, and one of them wrong."""
    exchange.send(200, weights(b"\1\2\3\5"))


def too_few(exchange: Exchange) -> None:
    exchange.send(200, weights()[:-1])


def too_many(exchange: Exchange) -> None:
    exchange.send(200, weights() + b"more")


def an_error_page(exchange: Exchange) -> None:
    exchange.send(200, b"<html>sign in</html>")


def cut_in_the_middle(exchange: Exchange) -> None:
    """Promise all of it, send half, and hang up."""
    body = weights()
    exchange.send_response(200)
    exchange.send_header("Content-Length", str(len(body)))
    exchange.end_headers()
    exchange.wfile.write(body[: len(body) // 2])
    exchange.close_connection = True


def hang_up(exchange: Exchange) -> None:
    exchange.close_connection = True


@pytest.mark.parametrize(
    ("act", "code"),
    [
        (other_bytes, "digest_mismatch"),
        (too_few, "digest_mismatch"),
        (too_many, "digest_mismatch"),
        (an_error_page, "digest_mismatch"),
        (cut_in_the_middle, "hub_unreachable"),
        (hang_up, "hub_unreachable"),
    ],
)
def test_damaged_weights_are_fetched_again(
    hub: HubServer, source: HubSource, store: Store, act: Callable[[Exchange], None], code: str
) -> None:
    hub.commit(REPO, adapter())
    sighting = sight(source)
    hub.fault("cdn GET", act, times=1)
    error = fails(source, sighting, store)
    assert isinstance(error, Unavailable)
    assert error.code == code
    serves(source, store, b"\1\2\3\4")


def test_a_damaged_config_is_told_by_its_git_hash(hub: HubServer, source: HubSource, store: Store) -> None:
    hub.commit(REPO, adapter())
    sighting = sight(source)
    hub.fault(f"api GET .*{CONFIG}", lambda exchange: exchange.send(200, b'{"r": 9}'), times=1)
    assert fails(source, sighting, store).code == "digest_mismatch"
    serves(source, store, b"\1\2\3\4")


@pytest.mark.parametrize(
    "files", [adapter(b"\1" * (1 << 20)), adapter(config=b" " * (256 << 10) + b"{}")], ids=["weights", "config"]
)
def test_a_large_file_is_refused_before_its_download(
    hub: HubServer, source: HubSource, store: Store, files: dict[str, bytes | None]
) -> None:
    hub.commit(REPO, files)
    sighting = sight(source)
    with hub.counting() as seen:
        error = fails(source, sighting, store)
    assert isinstance(error, Refused)
    assert error.code == "too_large"
    assert seen == []


def test_the_copy_does_not_begin_without_room_for_it(hub: HubServer, source: HubSource, tmp_path: Path) -> None:
    hub.commit(REPO, adapter())
    sighting = sight(source)
    with hub.counting() as seen:
        assert fails(source, sighting, Store(tmp_path / "full", reserve_bytes=1 << 60)).code == "disk_full"
    assert seen == []


def test_a_disk_that_fills_up_during_the_copy_is_left_empty(
    hub: HubServer, source: HubSource, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.commit(REPO, adapter())
    sighting = sight(source)
    free, asked = store.require_free, []

    def fills_up(size: int) -> None:
        asked.append(size)
        if len(asked) == 3:
            store.reserve_bytes = 1 << 60
        free(size)

    monkeypatch.setattr(store, "require_free", fills_up)
    assert fails(source, sighting, store).code == "disk_full"


def test_a_force_push_makes_what_was_sighted_gone(hub: HubServer, source: HubSource, store: Store) -> None:
    commit = hub.commit(REPO, adapter(b"old!"))
    sighting = sight(source)
    hub.force_push(REPO, adapter(b"new!"))
    error = fails(source, sighting, store)
    assert isinstance(error, Gone)
    assert error.code == "revision_gone"
    assert commit in error.sentence
    serves(source, store, b"new!")


def test_a_missing_commit_of_the_branch_is_tried_again(hub: HubServer, source: HubSource, store: Store) -> None:
    """The Hub does so for a while after a force-push and during its own repairs."""
    hub.commit(REPO, adapter())
    sighting = sight(source)
    hub.fault("api GET .*/resolve/", lambda exchange: exchange.refuse(404, "RevisionNotFound"), times=1)
    error = fails(source, sighting, store)
    assert isinstance(error, Unavailable)
    assert error.code == "revision_gone"
    serves(source, store, b"\1\2\3\4")


def test_a_missing_later_commit_is_tried_again(hub: HubServer, source: HubSource, store: Store) -> None:
    hub.commit(REPO, adapter())
    sight(source)
    hub.commit(REPO, {"README.md": b"words"})
    sighting = sight(source)
    hub.fault("api GET .*/resolve/", lambda exchange: exchange.refuse(404, "RevisionNotFound"), times=1)
    assert isinstance(fails(source, sighting, store), Unavailable)


def test_a_foreign_address_is_gone(source: HubSource, store: Store) -> None:
    error = fails(source, Sighting(AdapterURI("hf", "org/other"), "a" * 40, 0.0), store)
    assert isinstance(error, Gone)


def test_a_commit_without_an_adapter_is_gone(hub: HubServer, source: HubSource, store: Store) -> None:
    commit = hub.commit(REPO, {"README.md": b"words"})
    error = fails(source, Sighting(source.uri, commit, 0.0), store)
    assert isinstance(error, Gone)
    assert error.code == "gone"


def test_stopping_ends_a_copy_that_is_under_way(hub: HubServer, source: HubSource, store: Store) -> None:
    hub.commit(REPO, adapter())
    sighting, stop = sight(source), threading.Event()
    hub.fault("cdn GET", Exchange.say_nothing)

    def stop_on_arrival() -> None:
        hub.arrived.wait(30)
        stop.set()

    threading.Thread(target=stop_on_arrival, daemon=True).start()
    error = fails(source, sighting, store, stop)
    assert isinstance(error, Unavailable)
    assert error.code == "stopping"
