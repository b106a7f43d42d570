"""A directory and a bucket as the place of a fleet's state: a name is given once, and read whole or not at all."""

import threading
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from kits.s3 import moto, set_credentials

from hotswapd.daemon.errors import FleetCode
from hotswapd.daemon.fleet.rebuilding import rebuild
from hotswapd.daemon.fleet.shared import journal
from hotswapd.daemon.fleet.shared.bucket import BucketPlace
from hotswapd.daemon.fleet.shared.copies import SharedCopies
from hotswapd.daemon.fleet.shared.folder import FolderPlace
from hotswapd.daemon.fleet.shared.place import Place, created
from hotswapd.daemon.fleet.shared.trail import Follower, Term, Trail, require_exclusive
from hotswapd.daemon.ledger.ledger import Ledger
from hotswapd.loaders.errors import Unavailable
from hotswapd.loaders.files import CONFIG, WEIGHTS
from hotswapd.loaders.s3.session import S3Access
from hotswapd.loaders.store.artifact import Artifact
from hotswapd.loaders.store.store import Store, digest_of

_MOST = 1 << 20


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with moto() as url:
        yield url


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    if request.param == "folder":
        return FolderPlace(tmp_path / "shared")
    set_credentials(monkeypatch, tmp_path)
    url, name = request.getfixturevalue("server"), f"b-{abs(hash(tmp_path))}"
    client = boto3.client("s3", endpoint_url=url, region_name="us-east-1")
    client.create_bucket(Bucket=name)
    return BucketPlace(name, "fleet/one", S3Access("us-east-1", url))


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    directory = tmp_path / "adapter"
    directory.mkdir()
    (directory / CONFIG).write_bytes(b"{}")
    (directory / WEIGHTS).write_bytes(b"w" * 5000)
    return Artifact(directory, digest_of(directory), 5002)


def test_a_name_is_given_once(place: Place) -> None:
    assert place.create("a/b", b"1")
    assert not place.create("a/b", b"2")
    assert (place.read("a/b"), place.has("a/b"), place.names("a")) == (b"1", True, ["b"])
    assert created(place, "a/b", b"1")
    assert not created(place, "a/b", b"2")


def test_what_has_no_name_is_not_there(place: Place) -> None:
    assert (place.read("a/b"), place.has("a/b"), place.names("a")) == (None, False, [])
    place.remove("a/b")


def test_a_removed_name_is_free_again(place: Place) -> None:
    place.create("a/b", b"1")
    place.remove("a/b")
    assert place.create("a/b", b"2")


def test_of_many_that_give_one_name_at_once_one_succeeds(place: Place) -> None:
    together, done = threading.Barrier(8), list[bool]()

    def give(number: int) -> None:
        together.wait()
        done.append(place.create("a/b", bytes([number]) * 1000))

    threads = [threading.Thread(target=give, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == [False] * 7 + [True]
    assert len(place.read("a/b") or b"") == 1000


def test_both_kinds_hold_what_the_pointers_need(place: Place) -> None:
    require_exclusive(place, "x")
    trail = Trail(place)
    term, reader = Term.begin(trail, "one"), Follower(trail)
    term.write(term.now.next({}, highest=3))
    assert reader.look() == term.now


def test_an_adapter_is_sent_once_and_fetched_by_its_digest(place: Place, artifact: Artifact, tmp_path: Path) -> None:
    shared, store = SharedCopies(place), Store(tmp_path / "store", reserve_bytes=0)
    shared.send(artifact)
    shared.send(artifact)
    came = shared.fetch(artifact.digest, store, _MOST)
    assert digest_of(came.path) == artifact.digest
    shared.remove(artifact.digest)
    assert shared.fetch(artifact.digest, store, _MOST) == came  # it is here already


def test_what_nobody_sent_cannot_be_fetched(place: Place, artifact: Artifact, tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as refusal:
        SharedCopies(place).fetch(artifact.digest, Store(tmp_path / "store", reserve_bytes=0), _MOST)
    assert refusal.value.code == FleetCode.NOT_SHARED


def test_other_bytes_under_a_digest_are_refused(place: Place, artifact: Artifact, tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"other")
    place.send(f"adapters/{artifact.digest}/{WEIGHTS}", tmp_path / "other")
    place.send(f"adapters/{artifact.digest}/{CONFIG}", artifact.path / CONFIG)
    with pytest.raises(Unavailable, match="other bytes"):
        SharedCopies(place).fetch(artifact.digest, Store(tmp_path / "store", reserve_bytes=0), _MOST)


def test_a_place_that_cannot_be_used_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Unavailable, match="cannot be used") as refusal:
        FolderPlace(tmp_path / "file")
    assert refusal.value.code == FleetCode.SHARED_DOWN
    set_credentials(monkeypatch, tmp_path)
    closed = BucketPlace("b-closed", "x", S3Access("us-east-1", "http://127.0.0.1:9"))
    with pytest.raises(Unavailable, match="cannot be used as"):
        closed.has("a")


def test_a_folder_leaves_nothing_behind_that_has_no_name(tmp_path: Path) -> None:
    place = FolderPlace(tmp_path / "shared")
    place.create("a/b", b"1")
    place.create("a/b", b"2")
    assert place.names("unnamed") == []


def test_a_ledger_is_made_from_its_journal(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole ledgers, what follows them, and the removal of what is older."""
    monkeypatch.setattr(journal, "_MOST", 4)
    trail = Trail(place)
    kept = journal.SharedJournal(trail, Term.begin(trail, "one").now.term)
    ledger = Ledger(tmp_path / "ledger.sqlite", journal=kept)
    for number in range(10):
        ledger.flags.set("pinned", number % 2 == 0, channel=f"c{number}")
        kept.tidy()
    assert ledger.trouble == ""
    assert len(place.names(journal.FOLDER)) <= 6
    (tmp_path / "another").mkdir()
    assert rebuild(place, tmp_path / "another" / "ledger.sqlite")
    made = Ledger(tmp_path / "another" / "ledger.sqlite")
    assert made.flags.holding("pinned") == ledger.flags.holding("pinned") == {f"c{n}" for n in range(0, 10, 2)}


def test_adapters_are_listed_with_whether_they_are_whole_and_leave_nothing(place: Place, artifact: Artifact) -> None:
    copies = SharedCopies(place)
    assert copies.digests() == {}
    copies.send(artifact)
    assert copies.digests() == {artifact.digest: True}
    place.remove(f"adapters/{artifact.digest}/{CONFIG}")
    assert copies.digests() == {artifact.digest: False}
    copies.send(artifact)
    copies.remove(artifact.digest)
    assert copies.digests() == {}
    assert place.names("adapters") == []
    copies.send(artifact)
    assert copies.has(artifact.digest)
