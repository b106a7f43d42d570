"""What the tests of the S3 source share: real servers, adapters as objects, sources in a hurry, and the checks."""

import itertools
import os
import random
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from moto.server import ThreadedMotoServer

from hotswapd.loaders.errors import LoadError
from hotswapd.loaders.s3.session import Patience
from hotswapd.loaders.s3.source import S3Source
from hotswapd.loaders.source import Sighting
from hotswapd.loaders.store.store import Store
from kits.folders import CONFIG, WEIGHTS, weights

KEY, SECRET = "testkey", "testsecret"
OWNER = "123456789012"
_LOWEST_PORT = 10_000
_CHANCE = random.SystemRandom()
GO = threading.Event()
ONCE = Patience(attempts=1)
BRIEF = Patience(connect=4.0, read=3.0, whole=6.0, attempts=1)
SOON = 90.0  # seconds: far above what a busy machine needs, and it still catches a hang


def free_ports(number: int) -> list[int]:
    """Find ports that are free now, below those that the kernel hands out: nobody gets them by chance meanwhile.

    They are drawn from the system's chance: with `random`'s, test processes of one seed would all draw the same ones.
    """
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    with ExitStack() as probes:
        free = (port for port in _CHANCE.sample(range(_LOWEST_PORT, lowest), 20 * number) if _is_free(port, probes))
        return list(itertools.islice(free, number))


def _is_free(port: int, probes: ExitStack) -> bool:
    try:
        probes.enter_context(socket.create_server(("127.0.0.1", port)))
    except OSError:
        return False
    return True


def await_true(condition: Callable[[], Any], seconds: float = SOON) -> Any:
    """Ask until the answer is true, and return it."""
    until = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < until, "it did not come true in time"
        GO.wait(0.02)
    return answer


@contextmanager
def moto() -> Iterator[str]:
    """Run a server of conditional writes and everything else in this process, and return its address."""
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def set_credentials(patch: pytest.MonkeyPatch, nowhere: Path) -> None:
    """Give the test servers' credentials, and keep the machine's own out of it."""
    patch.setenv("AWS_ACCESS_KEY_ID", KEY)
    patch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    patch.setenv("AWS_CONFIG_FILE", str(nowhere / "none"))
    patch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(nowhere / "none"))
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION"):
        patch.delenv(name, raising=False)


@cache
def client_of(service: str, url: str) -> Any:
    """Make a client for the tests' own use on any thread, which addresses buckets as paths."""
    config = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 3, "mode": "standard"})
    session: Any = boto3.Session(KEY, SECRET, region_name="us-east-1")  # typed for literal names only
    return session.client(service, endpoint_url=url, config=config)


@contextmanager
def program(command: list[str], url: str, ready: str, room: Path, **environment: str) -> Iterator[str]:
    """Run a server from this environment's own programs until the block ends, and wait until it answers."""
    command[0] = str(Path(sys.executable).parent / command[0])
    room.mkdir(parents=True, exist_ok=True)
    with (room / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=room, env={**os.environ, **environment})
    try:
        await_true(lambda: process.poll() is not None or _answers(url + ready), 60.0)
        assert process.poll() is None, (room / "log").read_text()[-2000:]
        yield url
    finally:
        process.kill()
        process.wait(SOON)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


@contextmanager
def seaweed(room: Path) -> Iterator[str]:
    """Run a real S3 server, SeaweedFS, and give its address."""
    names = ("s3", "master", "volume", "filer", "admin")
    ports = free_ports(2 * len(names))
    told = [f"-{name}.port={ports[2 * n]}" for n, name in enumerate(names)]
    told += [f"-{name}.port.grpc={ports[2 * n + 1]}" for n, name in enumerate(names)]
    off = ["-s3.port.iceberg=0", "-s3.port.lance=0", "-admin.ui=false", "-webdav=false"]
    command = ["weed", "mini", f"-dir={room}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", *told, *off]
    keys = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
    with program(command, f"http://127.0.0.1:{ports[0]}", "/status", room, **keys) as url:
        yield url


@contextmanager
def ministack(room: Path) -> Iterator[str]:
    """Run a server whose buckets send events to queues, MiniStack, and give its address."""
    (port,) = free_ports(1)
    settings = {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "SFTP_ENABLED": "0", "SERVICES": "s3,sqs"}
    with program(["ministack"], f"http://127.0.0.1:{port}", "/", room, **settings) as url:
        yield url


class Place:
    """One bucket, seen by those who write to it."""

    def __init__(self, client: Any, bucket: str, url: str) -> None:
        self.client, self.bucket, self.url = client, bucket, url
        self.uri = f"s3://{bucket}/runs/"

    def put(self, key: str, body: bytes) -> None:
        self.client.put_object(Bucket=self.bucket, Key=f"runs/{key}", Body=body)

    def remove(self, key: str) -> None:
        self.client.delete_object(Bucket=self.bucket, Key=f"runs/{key}")

    def delete(self) -> None:
        """Take the bucket away, if it is still there, with all that is in it."""
        try:
            for entry in self.client.list_objects_v2(Bucket=self.bucket).get("Contents", []):
                self.client.delete_object(Bucket=self.bucket, Key=entry["Key"])
            self.client.delete_bucket(Bucket=self.bucket)
        except self.client.exceptions.NoSuchBucket:
            return

    def adapter(self, name: str = "a", payload: bytes = b"\1\2\3\4", config: bytes = b'{"r": 8}') -> None:
        """Upload a pair, weights first."""
        under = f"{name}/" if name else ""
        self.put(f"{under}{WEIGHTS}", weights(payload))
        self.put(f"{under}{CONFIG}", config)


class Queue:
    """A bucket whose events go to a queue of its own."""

    def __init__(self, url: str) -> None:
        self.sqs = client_of("sqs", url)
        name = f"q-{uuid.uuid4().hex[:12]}"
        self.url = self.sqs.create_queue(QueueName=name)["QueueUrl"]
        self.place = new_place(url)
        events = {"QueueArn": f"arn:aws:sqs:us-east-1:000000000000:{name}", "Events": ["s3:ObjectCreated:*"]}
        told = {"QueueConfigurations": [events]}
        self.place.client.put_bucket_notification_configuration(
            Bucket=self.place.bucket, NotificationConfiguration=told
        )

    def send(self, body: str) -> None:
        self.sqs.send_message(QueueUrl=self.url, MessageBody=body)

    def left(self) -> int:
        """Count the messages that are there, seen or unseen."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return sum(int(found[name]) for name in names)


def new_place(url: str) -> Place:
    """Make a bucket."""
    client, bucket = client_of("s3", url), f"b-{uuid.uuid4().hex[:12]}"
    client.create_bucket(Bucket=bucket)
    return Place(client, bucket, url)


@contextmanager
def opened(place: Place, **more: Any) -> Iterator[S3Source]:
    """Give a source on the place that needs no second between two looks, closed at the end."""
    settings: dict[str, Any] = {"name": "", "uri": place.uri, "endpoint_url": place.url, "region": "us-east-1"}
    source = S3Source(**{**settings, "patience": ONCE, "gap": 0.0, **more})
    try:
        yield source
    finally:
        source.close()


def sights(source: S3Source) -> dict[str, str]:
    """Scan and return each address below the prefix with the code that it waits for, "" where it does not."""
    whole = len(source.uri.location)
    found = source.scan().sightings
    return {s.uri.location[whole:].lstrip("/"): s.waiting.code if s.waiting else "" for s in found}


def sight(source: S3Source) -> Sighting:
    """Scan and return the one complete adapter that must be there."""
    (sighting,) = source.scan().sightings
    assert sighting.waiting is None, sighting.waiting
    return sighting


def left_over(store: Store) -> list[str]:
    """List what is in the store, whole or not."""
    return sorted(os.listdir(store.root / "stages") + os.listdir(store.root / "artifacts"))


def fails(source: S3Source, sighting: Sighting, store: Store, stop: threading.Event = GO) -> LoadError:
    """Fetch in vain; whatever the reason, nothing may be left in the store."""
    before = left_over(store)
    with pytest.raises(LoadError) as raised:
        source.fetch(sighting, store, stop)
    assert left_over(store) == before
    return raised.value


def serves(source: S3Source, store: Store, payload: bytes) -> None:
    """Check that what is fetched now has this payload."""
    artifact = source.fetch(sight(source), store, GO)
    assert (artifact.path / WEIGHTS).read_bytes() == weights(payload)
