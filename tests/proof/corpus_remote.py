"""Adapters in a bucket or on a Hub that are not what they seem, or whose server does not give what it announced."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from kits import s3 as s3_kit
from kits.folders import CONFIG, WEIGHTS
from kits.hub_server import HubServer
from kits.room import home
from kits.s3_proxy import Exchange, S3Proxy, answering, cutting, refusing, shortening

from .corpus import GOOD

_TOLD = "<LastModified>2026-01-02T03:04:05Z</LastModified><ETag>e</ETag><Size>9</Size>"


@dataclass(frozen=True, slots=True)
class Cloud:
    """A bucket behind a proxy that misbehaves on demand, and a Hub."""

    bucket: s3_kit.Place
    proxy: S3Proxy
    hub: HubServer

    def source(self, remote: "Remote") -> str:
        """Make the place where this class will lie, and say in the configuration's words which it is."""
        if remote.hub:
            self.hub.commit(f"org/{remote.name}", {"README.md": b"words"})
            told = {"kind": "hub", "repo": f"org/{remote.name}", "endpoint": self.hub.url}
        else:
            uri = f"s3://{self.bucket.bucket}/{remote.name}/"
            told = {"kind": "s3", "uri": uri, "region": "us-east-1", "endpoint_url": self.proxy.url}
        lines = [f'{key} = "{value}"' for key, value in (told | {"name": remote.name}).items()]
        return "\n".join([*lines, "poll = 0.3"])

    def put(self, name: str, files: dict[str, bytes], *, hub: bool) -> None:
        """Make files be there."""
        if hub:
            self.hub.commit(f"org/{name}", files)
            return
        for file, content in files.items():
            self.bucket.client.put_object(Bucket=self.bucket.bucket, Key=f"{name}/{file}", Body=content)

    def take_away(self, remote: "Remote") -> None:
        """End its faults, and delete its files."""
        self.proxy.mend()
        self.hub.mend()
        if remote.hub:
            self.hub.commit(f"org/{remote.name}", dict.fromkeys((CONFIG, WEIGHTS)))
            return
        for file in (WEIGHTS, CONFIG):
            self.bucket.client.delete_object(Bucket=self.bucket.bucket, Key=f"{remote.name}/{file}")


@dataclass(frozen=True, slots=True)
class Remote:
    """One class: what is uploaded, which fault is in the way, and how the adapter ends or what it waits for."""

    name: str
    code: str
    state: str = "WAITING"
    hub: bool = False
    fault: Callable[[Cloud, str], None] = lambda cloud, name: None
    change: Callable[[dict[str, bytes]], dict[str, bytes]] = lambda files: files

    def appear(self, cloud: Cloud) -> None:
        """Set the fault up, and upload; weights first, so that the pair is never half there for long."""
        self.fault(cloud, self.name)
        good: dict[str, bytes] = {file: (home() / GOOD / file).read_bytes() for file in (WEIGHTS, CONFIG)}
        cloud.put(self.name, self.change(good), hub=self.hub)

    def is_here(self, uri: str) -> bool:
        return f"/{self.name}" in uri


@contextmanager
def clouds(room: Path) -> Iterator[Cloud]:
    """Start a real S3 server, a proxy before it, and a Hub."""
    patch = pytest.MonkeyPatch()
    s3_kit.set_credentials(patch, room)
    try:
        with s3_kit.seaweed(room / "seaweed") as weed, HubServer() as hub, S3Proxy(weed) as proxy:
            hub._clock = int(time.time())  # what is older than what is live would give way to it
            yield Cloud(s3_kit.new_place(weed), proxy, hub)
    finally:
        patch.undo()


def _when_fetched(act: Callable[[Exchange], None]) -> Callable[[Cloud, str], None]:
    """Let what only looks into the weights pass, and misbehave when the whole of them is wanted."""

    def wary(exchange: Exchange) -> None:
        exchange.pass_on() if exchange.headers.get("Range") else act(exchange)

    return lambda cloud, name: cloud.proxy.fault(f"GET .*{name}/{WEIGHTS}", wary)


def _when_read(act: Callable[[Exchange], None]) -> Callable[[Cloud, str], None]:
    return lambda cloud, name: cloud.proxy.fault(f"(GET|HEAD) .*{name}/{WEIGHTS}", act)


def _hub_gives(body: bytes) -> Callable[[Cloud, str], None]:
    return lambda cloud, name: cloud.hub.fault(f"cdn GET .*org/{name}/", lambda exchange: exchange.send(200, body))


def _listing(below: str) -> Callable[[Cloud, str], None]:
    """Have the listing name keys that a careless program would make paths of."""

    def forge(cloud: Cloud, name: str) -> None:
        keys = "".join(f"<Contents><Key>{name}/{below}/{file}</Key>{_TOLD}</Contents>" for file in (CONFIG, WEIGHTS))
        page = f"<ListBucketResult><IsTruncated>false</IsTruncated>{keys}</ListBucketResult>".encode()
        cloud.proxy.fault(f"GET .*list-type.*prefix={name}%2F", answering(200, page))

    return forge


def _dead_commit(cloud: Cloud, name: str) -> None:
    """Let the commit vanish when its weights are wanted, as after a force push; the branch goes on pointing to it."""
    cloud.hub.fault(
        f"api GET .*org/{name}/resolve/.*{WEIGHTS}", lambda exchange: exchange.refuse(404, "RevisionNotFound")
    )


def _nan(files: dict[str, bytes]) -> dict[str, bytes]:
    """Make the last four bytes of the data a float32 that is none."""
    return files | {WEIGHTS: files[WEIGHTS][:-4] + b"\0\0\xc0\x7f"}


def _cut(files: dict[str, bytes]) -> dict[str, bytes]:
    return files | {WEIGHTS: files[WEIGHTS][:-100]}


REMOTE = [
    Remote("key-that-climbs", "bad_name", fault=_listing("a/../../etc")),
    Remote("key-with-an-empty-part", "bad_name", fault=_listing("/etc")),
    Remote("changed-in-mid-pair", "changed", fault=_when_fetched(refusing(412, "PreconditionFailed"))),
    Remote("short-body", "s3_damaged", fault=_when_fetched(shortening)),
    Remote("reset-in-the-body", "s3_damaged", fault=_when_fetched(cutting)),
    Remote("weights-of-another-owner", "permission", fault=_when_read(refusing(403, "AccessDenied"))),
    Remote("weights-in-an-archive", "archived", fault=_when_read(refusing(403, "InvalidObjectState"))),
    Remote("object-cut-short", "incomplete", change=_cut),
    Remote("object-with-nan", "non_finite", "REJECTED", change=_nan),
    Remote("hub-with-nan", "non_finite", "REJECTED", hub=True, change=_nan),
    Remote("hub-commit-is-gone", "revision_gone", hub=True, fault=_dead_commit),
    Remote("hub-gives-other-bytes", "digest_mismatch", hub=True, fault=_hub_gives(b"half of it")),
    Remote("hub-gives-a-sign-in-page", "digest_mismatch", hub=True, fault=_hub_gives(b"<html>sign in</html>")),
]
