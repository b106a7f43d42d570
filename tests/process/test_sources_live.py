"""The real program with a folder, two buckets, a Hub and a dead bucket at once: each brings its adapters live."""

import json
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from kits import s3 as s3_kit
from kits.adapters import digest_of
from kits.alone import launch_alone
from kits.folders import CONFIG, WEIGHTS
from kits.hub_server import HubServer
from kits.room import Process, Room, folder, home

from hotswapd.daemon.cli import main
from hotswapd.loaders.publish import publish
from hotswapd.loaders.s3.session import S3Access

REPO = "org/adapters"
# Seconds: no poll finds anything while a test waits.
NEVER = 3600.0


class FreshRoom(Room):
    """A daemon that imports its libraries itself, so that its environment says whether a Hub may be asked."""

    def start(self, **environ: str) -> Process:
        return launch_alone(self, **environ)


@dataclass
class Everywhere:
    """A running daemon, and the places that it watches."""

    room: Room
    bucket: s3_kit.Place
    told: s3_kit.Place
    hub: HubServer

    def sources(self) -> dict[str, dict[str, Any]]:
        return {source["name"]: source for source in self.room.status()["sources"]}


@pytest.fixture(scope="module")
def everywhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Everywhere]:
    root = tmp_path_factory.mktemp("everywhere")
    patch = pytest.MonkeyPatch()
    s3_kit.set_credentials(patch, root)
    room = FreshRoom(root / "room")
    with (
        s3_kit.seaweed(root / "seaweed") as weed,
        s3_kit.ministack(root / "ministack") as stack,
        HubServer() as hub,
        socket.create_server(("127.0.0.1", 0)) as deaf,
    ):
        bucket, queue = s3_kit.new_place(weed), s3_kit.Queue(stack)
        hub.commit(REPO, {"README.md": b"words"})
        room.root.mkdir()
        room.prepare()
        room.configure(
            source="\n[[source]]\n".join(
                (
                    folder(),
                    _bucket("bucket", bucket.uri, weed, 'poll = 2.0\nexpected_bucket_owner = "123456789012"'),
                    _bucket("told", queue.place.uri, stack, f'poll = {NEVER}\nqueue_url = "{queue.url}"'),
                    _bucket("dead", bucket.uri, f"http://127.0.0.1:{deaf.getsockname()[1]}", "poll = 1.0"),
                    f'kind = "hub"\nname = "hub"\nrepo = "{REPO}"\nendpoint = "{hub.url}"\npoll = 1.0',
                )
            )
        )
        try:
            room.ready()
            yield Everywhere(room, bucket, queue.place, hub)
        finally:
            room.close()
            patch.undo()


def _bucket(name: str, uri: str, endpoint: str, more: str) -> str:
    usual = f'kind = "s3"\nname = "{name}"\nuri = "{uri}"\nendpoint_url = "{endpoint}"\nregion = "us-east-1"'
    return f"{usual}\n{more}"


def files(run: str) -> dict[str, bytes | None]:
    return {name: (home() / run / name).read_bytes() for name in (CONFIG, WEIGHTS)}


def spare(everywhere: Everywhere) -> list[str]:
    """Name the adapters whose bytes are not those that are live; tests come in any order."""
    live = everywhere.room.status()["live"]["digest"]
    return [run for run in ("run-0", "run-1", "run-2") if digest_of(home() / run) != live]


def goes_live(everywhere: Everywhere, uri: str, since: float, measured: dict[str, float]) -> None:
    """Wait until what answers is what lies at this address, and note the seconds that it took."""
    room = everywhere.room
    room.until(lambda: room.status()["live"]["uri"] == uri, f"{uri} does not go live")
    measured[uri.partition(":")[0] + uri[-4:]] = round(time.monotonic() - since, 2)


def test_each_kind_of_source_goes_live_beside_a_dead_one(everywhere: Everywhere) -> None:
    """Only the dead one is down, and it delays nobody. The bucket with events is polled once an hour."""
    room, measured = everywhere.room, dict[str, float]()
    uri = room.drop(spare(everywhere)[0], "fold")
    goes_live(everywhere, uri, time.monotonic(), measured)
    for place in (everywhere.bucket, everywhere.told):
        run = spare(everywhere)[0]
        for name, body in files(run).items():
            assert body is not None
            place.put(f"{run}/{name}", body)
        goes_live(everywhere, f"{place.uri}{run}", time.monotonic(), measured)
    everywhere.hub.commit(REPO, files(spare(everywhere)[0]))
    goes_live(everywhere, f"hf://{REPO}", time.monotonic(), measured)
    print(json.dumps(measured))
    room.until(lambda: not everywhere.sources()["dead"]["ok"], "the dead source is never called so")
    sources = everywhere.sources()
    assert {name for name, source in sources.items() if source["ok"]} == {"folder", "bucket", "told", "hub"}
    assert "cannot be reached" in sources["dead"]["error"]
    assert list((room.state / "store" / "stages").iterdir()) == []


def test_published_goes_live_and_deleted_stays_loaded(everywhere: Everywhere) -> None:
    room, bucket = everywhere.room, everywhere.bucket
    access = S3Access("us-east-1", bucket.url)
    done = publish(home() / spare(everywhere)[0], f"{bucket.uri}published", access=access)
    goes_live(everywhere, str(done.uri), time.monotonic(), {})
    generation = room.live()
    for name in (CONFIG, WEIGHTS):
        bucket.remove(f"published/{name}")
    seen = everywhere.sources()["bucket"]["last_scan"]
    room.until(lambda: everywhere.sources()["bucket"]["last_scan"] != seen, "it does not look again")
    assert (room.live(), room.status()["live"]["uri"]) == (generation, str(done.uri))


def test_files_unlike_a_foreign_manifest_wait(
    everywhere: Everywhere,
) -> None:
    """The weights are whole, of the listed size and of the same base: only their bytes are another adapter's."""
    room = everywhere.room
    live = room.status()["live"]["digest"]
    listed, other = spare(everywhere)[:2]
    place = room.root / "adapters" / "listed"
    hidden = place.with_name(".listed.part")
    publish(home() / listed, str(hidden))
    shutil.copy(home() / other / WEIGHTS, hidden)
    hidden.rename(place)

    def reasons() -> set[str]:
        return {row["reason"] for row in room.status()["queue"] if row["uri"] == place.as_uri()}

    room.until(lambda: reasons() == {"digest_mismatch"}, "it does not wait for the listed bytes")
    assert room.status()["live"]["digest"] == live
    shutil.copy(home() / listed / WEIGHTS, place)
    goes_live(everywhere, place.as_uri(), time.monotonic(), {})
    assert room.status()["live"]["digest"] == digest_of(home() / listed)


def test_an_outage_of_one_bucket_stays_there_and_passes(everywhere: Everywhere) -> None:
    """The bucket is taken away under the daemon's eyes; the live generation stays, and so do the other sources."""
    room, bucket = everywhere.room, everywhere.bucket
    generation = room.live()
    client, name = bucket.client, bucket.bucket
    for entry in client.list_objects_v2(Bucket=name).get("Contents", []):
        client.delete_object(Bucket=name, Key=entry["Key"])
    client.delete_bucket(Bucket=name)
    room.until(lambda: not everywhere.sources()["bucket"]["ok"], "the missing bucket is not noticed")
    assert "there is no such bucket" in everywhere.sources()["bucket"]["error"]
    assert room.live() == generation
    assert everywhere.sources()["folder"]["ok"]
    client.create_bucket(Bucket=name)
    room.until(lambda: everywhere.sources()["bucket"]["ok"], "the source does not recover")


def test_check_reads_a_bucket_as_the_daemon_does(everywhere: Everywhere, capsys: pytest.CaptureFixture[str]) -> None:
    for name, body in files("run-1").items():
        assert body is not None
        everywhere.bucket.put(f"checked/.hidden/{name}", body)  # where the daemon does not look
    uri = f"{everywhere.bucket.uri}checked/.hidden"
    assert main(["check", uri, "--config", str(everywhere.room.config), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True
    assert main(["check", f"{everywhere.bucket.uri}nothing", "--config", str(everywhere.room.config)]) == 4


def test_a_dead_source_does_not_delay_shutdown(everywhere: Everywhere) -> None:
    """It ends in peace while one source asks in vain, and what was live is live again afterwards."""
    room = everywhere.room
    generation = room.live()
    room.process.signal(signal.SIGTERM)
    begun = time.monotonic()
    assert room.process.wait() == 0
    print("stopped in", round(time.monotonic() - begun, 2))
    assert room.events("stopped")
    room.hear()  # what the first one still said
    room.ready()
    room.until(lambda: room.live() == generation, f"generation {generation} is not live again")
