"""A bucket that accepts and never answers costs its own source a bounded time, and nobody else anything."""

import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from kits.folders import CONFIG, WEIGHTS
from kits.s3 import BRIEF, SOON, Place, fails, left_over, opened, serves, sight
from kits.s3_proxy import Exchange, S3Proxy, dripping, stalling

from hotswapd.loaders.errors import LoadError, SourceDown, Unavailable
from hotswapd.loaders.s3.session import Patience
from hotswapd.loaders.s3.source import S3Source
from hotswapd.loaders.store.store import Store

ENDLESS = Patience(connect=600.0, read=600.0, whole=600.0, attempts=3)


class Attempt:
    """A call on a thread of its own, which is expected to fail."""

    def __init__(self, call: Callable[[], object]) -> None:
        self._call = call
        self._error: LoadError | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._call()
        except LoadError as error:
            self._error = error

    def ended(self) -> LoadError:
        """Wait for its end, which must come soon, and return its error."""
        self._thread.join(SOON)
        assert not self._thread.is_alive()
        assert self._error is not None
        return self._error


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert not [thread for thread in threading.enumerate() if thread.name in {"wire", "s3-hints"}]


@pytest.fixture
def deaf() -> Iterator[str]:
    """Yield the address of a port whose connections are made by the kernel and never accepted."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_a_silent_bucket_costs_one_scan_its_timeout(place: Place, proxy: S3Proxy) -> None:
    place.adapter()
    proxy.fault("GET", Exchange.say_nothing)
    with opened(place, patience=BRIEF) as source:
        begun = time.monotonic()
        with pytest.raises(SourceDown) as raised:
            source.scan()
        assert time.monotonic() - begun < SOON
        assert raised.value.code == "s3_unreachable"
        proxy.mend()
        sight(source)


def test_a_bucket_that_drips_is_given_up(place: Place, proxy: S3Proxy) -> None:
    proxy.fault("GET", dripping)
    with opened(place, patience=BRIEF) as source, pytest.raises(SourceDown) as raised:
        source.scan()
    assert raised.value.code == "s3_unreachable"
    assert "nothing useful came for 6 s" in raised.value.sentence


def test_an_endless_scan_is_given_up(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hotswapd.loaders.s3.source._LONGEST_SCAN", -1.0)
    with opened(place) as source, pytest.raises(SourceDown, match="to list everything"):
        source.scan()


@pytest.mark.parametrize("act", [Exchange.say_nothing, dripping])
def test_closing_ends_a_scan_at_once(place: Place, proxy: S3Proxy, act: Callable[[Exchange], None]) -> None:
    proxy.fault("GET", act)
    with opened(place, patience=ENDLESS) as source:
        attempt = Attempt(source.scan)
        assert proxy.arrived.wait(SOON)
        source.close()
        assert attempt.ended().code == "stopping"


def test_closing_ends_a_scan_of_a_port_that_nobody_serves(place: Place, deaf: str) -> None:
    with opened(place, endpoint_url=deaf, patience=ENDLESS) as source:
        attempt = Attempt(source.scan)
        source.close()
        assert attempt.ended().code == "stopping"


def test_a_closed_source_makes_no_call(place: Place, proxy: S3Proxy) -> None:
    with opened(place) as source:
        source.close()
        source.close()
        with pytest.raises(SourceDown) as raised:
            source.scan()
    assert (raised.value.code, proxy.seen) == ("stopping", [])


@pytest.mark.parametrize(
    ("where", "act"), [(f"GET .*{WEIGHTS}", stalling), (f"HEAD .*{CONFIG}", Exchange.say_nothing)], ids=["GET", "HEAD"]
)
def test_a_silent_fetch_costs_the_timeout(
    place: Place, proxy: S3Proxy, store: Store, where: str, act: Callable[[Exchange], None]
) -> None:
    place.adapter(payload=b"\7" * 5000)
    with opened(place, patience=BRIEF) as source:
        sighting = sight(source)
        proxy.fault(where, act)
        error = fails(source, sighting, store)
        assert isinstance(error, Unavailable)
        assert error.code == "s3_unreachable"
        proxy.mend()
        serves(source, store, b"\7" * 5000)


@pytest.mark.parametrize("end", ["close", "stop"])
def test_close_or_stop_ends_a_silent_fetch(place: Place, proxy: S3Proxy, store: Store, end: str) -> None:
    place.adapter(payload=b"\7" * 5000)
    stop = threading.Event()
    with opened(place, patience=ENDLESS) as source:
        sighting = sight(source)
        proxy.fault(f"GET .*{WEIGHTS}", stalling)
        attempt = Attempt(lambda: source.fetch(sighting, store, stop))
        assert proxy.arrived.wait(SOON)
        {"close": source.close, "stop": stop.set}[end]()
        assert attempt.ended().code == "stopping"
    assert left_over(store) == []


def test_a_stop_ends_a_long_copy_between_two_pieces(place: Place, store: Store) -> None:
    place.adapter(payload=b"\7" * (8 << 20))
    stop = threading.Event()
    free, asked = store.require_free, []

    def stop_after_a_few(size: int) -> None:
        asked.append(size)
        if len(asked) == 4:
            stop.set()
            threading.Event().wait(2.0)  # what looks at the stop does so ten times a second
        free(size)

    store.require_free = stop_after_a_few  # type: ignore[method-assign]
    with opened(place) as source:
        assert fails(source, sight(source), store, stop).code == "stopping"
    assert len(asked) < 8


def test_refused_connections_and_unknown_names_are_unreachable(place: Place) -> None:
    for endpoint in ("http://127.0.0.1:9", "http://no-such-host.invalid"):
        with opened(place, endpoint_url=endpoint) as source, pytest.raises(SourceDown) as raised:
            source.scan()
        assert raised.value.code == "s3_unreachable"
        assert endpoint.removeprefix("http://") in raised.value.sentence


def test_dead_buckets_delay_no_other(place: Place, store: Store, deaf: str) -> None:
    place.adapter()
    dead = [S3Source(f"dead {n}", place.uri, endpoint_url=deaf, patience=ENDLESS) for n in range(5)]
    attempts = [Attempt(source.scan) for source in dead]
    with opened(place) as source:
        serves(source, store, b"\1\2\3\4")
    for source in dead:
        source.close()
    assert {attempt.ended().code for attempt in attempts} == {"stopping"}


def test_wake_and_close_end_a_wait(place: Place) -> None:
    with opened(place) as source:
        for end in (source.wake, source.close):
            waiting = threading.Thread(target=source.wait, args=(600.0,))
            waiting.start()
            end()
            waiting.join(SOON)
            assert not waiting.is_alive()
