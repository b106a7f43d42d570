"""A bucket's events make a source scan at once; if they fail, it goes on polling."""

import json
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kits.folders import CONFIG, WEIGHTS
from kits.s3 import OWNER, SOON, Queue, await_true, ministack, opened, set_credentials, sights
from kits.s3_proxy import Exchange, S3Proxy, answering, hanging_up

from hotswapd.loaders.s3.hints import objects_named
from hotswapd.loaders.s3.source import S3Source

LONG = 600.0


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the address of a server whose buckets send events to queues."""
    with ministack(tmp_path_factory.mktemp("ministack")) as url:
        yield url


@pytest.fixture
def queue(stack: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Queue:
    set_credentials(monkeypatch, tmp_path)
    return Queue(stack)


class Waiter:
    """A source that waits on a thread of its own."""

    def __init__(self, source: S3Source) -> None:
        self._thread = threading.Thread(target=source.wait, args=(LONG,))
        self._thread.start()

    def woke(self, seconds: float = SOON) -> bool:
        """Return whether it woke within the seconds."""
        self._thread.join(seconds)
        return not self._thread.is_alive()


def listening(source: S3Source, queue: Queue) -> None:
    """Scan once, which starts the listener, and let the events of the set-up pass."""
    source.scan()
    await_true(lambda: queue.left() == 0)
    source.wait(0.0)


def test_an_upload_ends_the_wait(queue: Queue) -> None:
    with opened(queue.place, queue_url=queue.url) as source:
        listening(source, queue)
        waiter = Waiter(source)
        queue.place.adapter("a é+b")
        assert waiter.woke()
        await_true(lambda: sights(source) == {"a é+b": ""})
        await_true(lambda: queue.left() == 0)


def test_settling_after_a_hint_takes_two_scans(queue: Queue) -> None:
    with opened(queue.place, queue_url=queue.url, gap=1.0, poll=LONG) as source:
        listening(source, queue)
        queue.place.adapter()
        looks = 0
        while not (scan := source.scan()).sightings or scan.sightings[0].waiting is not None:
            looks += 1
            assert looks < 8
            source.wait(scan.again_in)


NOISE = [
    "no json",
    "[" * 5000,
    "[1]",
    '"text"',
    "{}",
    '{"Event": "s3:TestEvent"}',
    '{"Records": 7}',
    '{"Records": [{"s3": {}}]}',
    '{"Type": "Notification", "Message": 7}',
    '{"detail": {"bucket": 7}}',
    json.dumps({"Records": [{"s3": {"bucket": {"name": "other"}, "object": {"key": f"runs/a/{CONFIG}"}}}]}),
]


def test_malformed_messages_are_deleted_and_ignored(queue: Queue) -> None:
    elsewhere = f"other/{CONFIG}", "runs/a/optimizer.pt", f"runs-2/{WEIGHTS}"
    with opened(queue.place, queue_url=queue.url) as source:
        listening(source, queue)
        waiter = Waiter(source)
        for body in NOISE:
            queue.send(body)
        for key in elsewhere:
            queue.place.client.put_object(Bucket=queue.place.bucket, Key=key, Body=b"x")
        await_true(lambda: queue.left() == 0)
        assert not waiter.woke(0.0)
        queue.place.put(f"a/{CONFIG}", b"{}")
        assert waiter.woke()


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (
            {"Records": [{"s3": {"bucket": {"name": "b"}, "object": {"key": "a+b%2Bc/%C3%A9"}}}] * 2},
            [("b", "a b+c/é")] * 2,
        ),
        ({"detail": {"bucket": {"name": "b"}, "object": {"key": "a+b%2F"}}}, [("b", "a+b%2F")]),
        (
            {
                "Type": "Notification",
                "Message": json.dumps({"Records": [{"s3": {"bucket": {"name": "b"}, "object": {"key": "k"}}}]}),
            },
            [("b", "k")],
        ),
    ],
)
def test_three_formats_of_events_are_parsed(body: Any, named: list[tuple[str, str]]) -> None:
    assert list(objects_named(json.dumps(body))) == named


@pytest.mark.parametrize("noise", NOISE[:-1])
def test_no_message_names_what_it_does_not_name(noise: str) -> None:
    assert list(objects_named(noise)) == []


def failing(status: int, code: str) -> Callable[[Exchange], None]:
    """Make a fault that answers with an error as SQS words it."""
    return answering(status, json.dumps({"__type": f"com.amazonaws.sqs#{code}", "message": "no"}).encode())


FAULTS: list[tuple[Callable[[Exchange], None], str]] = [
    (failing(403, "AccessDeniedException"), "allow sqs:ReceiveMessage and sqs:DeleteMessage"),
    (failing(400, "QueueDoesNotExist"), "no such queue"),
    (failing(503, "ThrottlingException"), "asks to slow down"),
    (failing(400, "ExpiredTokenException"), "have expired"),
    (hanging_up, "cannot be reached"),
]


@pytest.mark.parametrize(("act", "words"), FAULTS, ids=[words for _, words in FAULTS])
def test_a_failing_queue_only_costs_time(
    queue: Queue, caplog: pytest.LogCaptureFixture, act: Callable[[Exchange], None], words: str
) -> None:
    with S3Proxy(queue.place.url) as proxy:
        proxy.fault("POST", act)
        behind = proxy.url + queue.url.removeprefix(queue.place.url)
        with caplog.at_level(logging.INFO), opened(queue.place, queue_url=behind) as source:
            queue.place.adapter()
            await_true(lambda: words in source.scan().remark)
            assert sights(source) == {"a": ""}
            assert "only polling finds new adapters" in source.scan().remark
            proxy.mend()
            await_true(lambda: source.scan().remark == "")
    said = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(said) == 1
    assert "answers again" in caplog.text


def test_closing_ends_a_silent_queue(queue: Queue) -> None:
    with S3Proxy(queue.place.url) as proxy:
        proxy.fault("POST", Exchange.say_nothing)
        with opened(queue.place, queue_url=proxy.url + "/000000000000/q") as source:
            source.scan()
            assert proxy.arrived.wait(SOON)
            source.close()
            assert not [thread for thread in threading.enumerate() if thread.name == "s3-hints"]


def test_without_a_queue_nobody_listens(queue: Queue) -> None:
    with opened(queue.place, expected_bucket_owner=OWNER) as source:
        source.scan()
        assert not [thread for thread in threading.enumerate() if thread.name == "s3-hints"]
