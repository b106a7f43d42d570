"""A Hub that accepts and never answers costs its own source a bounded time, and nobody else anything."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TypeVar

import pytest
from kits.folders import weights
from kits.hub import REPO, adapter, fails, left_over, opened, serves, sight
from kits.hub_server import Exchange, HubServer
from kits.waiting import until

from hotswapd.loaders.errors import LoadError, SourceDown, Unavailable
from hotswapd.loaders.hub.client import Patience
from hotswapd.loaders.hub.source import HubSource
from hotswapd.loaders.store.store import Store

T = TypeVar("T")
ENDLESS = Patience(connect=600.0, read=600.0, whole=600.0)
BRIEF = Patience(connect=0.3, read=0.3, whole=0.6)
SOON = 60.0  # seconds: far above what a busy machine needs, far below an endless patience


class Attempt:
    """A call on a thread of its own, which is expected to fail."""

    def __init__(self, call: Callable[[], object]) -> None:
        self._call = call
        self.error: LoadError | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._call()
        except LoadError as error:
            self.error = error

    def ended(self) -> LoadError | None:
        """Wait for its end, which must come soon."""
        self._thread.join(SOON)
        assert not self._thread.is_alive()
        return self.error


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert not [thread for thread in threading.enumerate() if thread.name == "wire"]


@pytest.fixture
def full() -> Iterator[str]:
    """Yield the address of a port whose queue is full: a connection to it gets no answer at all."""
    with ExitStack() as sockets:
        listener = sockets.enter_context(socket.create_server(("127.0.0.1", 0), backlog=1))
        for _ in range(4):
            knocking = sockets.enter_context(socket.socket())
            knocking.setblocking(False)
            knocking.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def deaf() -> Iterator[str]:
    """Yield the address of a port whose connections are made by the kernel and never accepted."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def again(call: Callable[[], T]) -> T:
    """Try until it works, as a scanner does: with a brief patience a busy machine looks like a dead Hub."""

    def tried() -> list[T]:
        try:
            return [call()]
        except LoadError:
            return []

    return until(tried, "the Hub stays dead")[0]


def drip(exchange: Exchange) -> None:
    """Send a header that never ends, a byte now and then: no single read is ever slow."""
    hub = exchange.server.hub
    hub.arrived.set()
    exchange.wfile.write(b"HTTP/1.1 200 OK\r\nX-Endless: ")
    while not hub.released.wait(0.05):
        exchange.wfile.write(b"x")


def half_a_body(exchange: Exchange) -> None:
    body = weights()
    exchange.send_response(200)
    exchange.send_header("Content-Length", str(len(body)))
    exchange.end_headers()
    exchange.wfile.write(body[:20])
    exchange.say_nothing()


def test_a_scan_of_a_silent_hub_costs_the_timeout(hub: HubServer) -> None:
    hub.commit(REPO, adapter())
    hub.fault(".", Exchange.say_nothing)
    with opened(hub, patience=BRIEF) as source:
        begun = time.monotonic()
        with pytest.raises(SourceDown) as raised:
            source.scan()
        assert time.monotonic() - begun < SOON
        assert raised.value.code == "hub_unreachable"
        hub.mend()
        again(lambda: sight(source))


@pytest.mark.parametrize("act", [Exchange.say_nothing, drip])
def test_closing_ends_a_scan_at_once(hub: HubServer, act: Callable[[Exchange], None]) -> None:
    hub.commit(REPO, adapter())
    hub.fault(".", act)
    with opened(hub, patience=ENDLESS) as source:
        attempt = Attempt(source.scan)
        assert hub.arrived.wait(SOON)
        source.close()
        error = attempt.ended()
    assert error is not None
    assert error.code == "stopping"


def test_closing_ends_a_scan_of_a_port_that_nobody_serves(deaf: str) -> None:
    source = HubSource("", REPO, endpoint=deaf, patience=ENDLESS)
    attempt = Attempt(source.scan)
    source.close()
    error = attempt.ended()
    assert error is not None
    assert error.code == "stopping"


def test_a_connection_that_is_never_made_costs_its_timeout(full: str) -> None:
    source = HubSource("", REPO, endpoint=full, patience=Patience(connect=0.3, read=600.0, whole=600.0))
    error = Attempt(source.scan).ended()
    assert error is not None
    assert error.code == "hub_unreachable"
    assert "ConnectTimeout" in error.sentence


def test_a_hub_that_drips_is_given_up(hub: HubServer) -> None:
    hub.commit(REPO, adapter())
    hub.fault(".", drip)
    with opened(hub, patience=BRIEF) as source, pytest.raises(SourceDown) as raised:
        source.scan()
    assert raised.value.code == "hub_unreachable"
    assert "nothing useful came for 0.6 s" in raised.value.sentence


@pytest.mark.parametrize("act", [Exchange.say_nothing, half_a_body])
@pytest.mark.parametrize("where", ["api GET", "cdn GET"])
def test_a_silent_fetch_costs_the_timeout(
    hub: HubServer, store: Store, where: str, act: Callable[[Exchange], None]
) -> None:
    hub.commit(REPO, adapter())
    with opened(hub, patience=BRIEF) as source:
        sighting = again(lambda: sight(source))
        hub.fault(where, act)
        error = fails(source, sighting, store)
        assert isinstance(error, Unavailable)
        assert error.code == "hub_unreachable"
        hub.mend()
        again(lambda: serves(source, store, b"\1\2\3\4"))


@pytest.mark.parametrize("end", ["close", "stop"])
def test_close_or_stop_ends_a_silent_fetch(hub: HubServer, store: Store, end: str) -> None:
    hub.commit(REPO, adapter())
    stop = threading.Event()
    with opened(hub, patience=ENDLESS) as source:
        sighting = sight(source)
        hub.fault("cdn GET", half_a_body)
        hub.fault("api GET", half_a_body)
        attempt = Attempt(lambda: source.fetch(sighting, store, stop))
        while hub.seen[-1].method != "GET":
            stop.wait(0.01)
        {"close": source.close, "stop": stop.set}[end]()
        error = attempt.ended()
    assert error is not None
    assert error.code == "stopping"
    assert left_over(store) == []


def test_a_closed_source_asks_nothing_more(hub: HubServer) -> None:
    hub.commit(REPO, adapter())
    with opened(hub) as source:
        source.close()
        with hub.counting() as seen, pytest.raises(SourceDown) as raised:
            source.scan()
    assert (raised.value.code, seen) == ("stopping", [])


def test_refused_connections_and_unknown_names_are_unreachable() -> None:
    for endpoint in ("http://127.0.0.1:9", "http://no-such-host.invalid"):
        with pytest.raises(SourceDown) as raised:
            HubSource("", REPO, endpoint=endpoint, patience=BRIEF).scan()
        assert raised.value.code == "hub_unreachable"
        assert endpoint in raised.value.sentence


def test_a_dead_hub_delays_no_other(hub: HubServer, deaf: str, store: Store) -> None:
    """All sources share the client library's session: 30 dead ones must not use up its connections."""
    hub.commit(REPO, adapter())
    dead = [HubSource("", REPO, endpoint=deaf, patience=ENDLESS) for _ in range(30)]
    attempts = [Attempt(source.scan) for source in dead]
    with opened(hub) as source:
        serves(source, store, b"\1\2\3\4")
    assert all(attempt.error is None for attempt in attempts)
    for source in dead:
        source.close()
    errors = [attempt.ended() for attempt in attempts]
    assert {error.code for error in errors if error} == {"stopping"}
