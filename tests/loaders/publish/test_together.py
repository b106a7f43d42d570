"""A set is published whole: every member names all of them, and nothing is written before all were checked."""

import json
import threading
from pathlib import Path

import pytest
from kits.folders import WEIGHTS, write_folder

from hotswapd.loaders.errors import Refused
from hotswapd.loaders.files import CONFIG, MANIFEST
from hotswapd.loaders.local.source import LocalSource
from hotswapd.loaders.publish import publish_together
from hotswapd.loaders.store.store import Store, digest_of
from hotswapd.loaders.together import dump_members, members_of


@pytest.fixture
def trained(tmp_path: Path) -> dict[str, Path]:
    return {
        name: write_folder(tmp_path / f"trained-{name}", config=json.dumps({"for": name}).encode())
        for name in ("sales", "support")
    }


def test_each_member_lies_in_its_channels_directory_and_names_all(trained: dict[str, Path], tmp_path: Path) -> None:
    done = publish_together(trained, str(tmp_path / "watched"))
    together = dump_members({name: digest_of(path) for name, path in trained.items()})
    places = [Path(one.uri.location) for one in done]
    assert [place.parent for place in places] == [tmp_path / "watched" / name for name in ("sales", "support")]
    assert len({place.name for place in places}) == 1
    for place in places:
        assert members_of((place / MANIFEST).read_bytes()) == together


def test_a_second_call_sends_nothing_and_another_set_lies_beside(trained: dict[str, Path], tmp_path: Path) -> None:
    dest = str(tmp_path / "watched")
    first = publish_together(trained, dest)
    assert [one.sent for one in publish_together(trained, dest)] == [(), ()]
    (trained["sales"] / CONFIG).write_bytes(b'{"r": 4}')
    second = publish_together(trained, dest)
    assert {one.uri for one in first}.isdisjoint(one.uri for one in second)


def test_a_call_that_was_interrupted_is_completed(trained: dict[str, Path], tmp_path: Path) -> None:
    dest = str(tmp_path / "watched")
    _, support = publish_together(trained, dest)
    (Path(support.uri.location) / CONFIG).unlink()
    assert [one.sent for one in publish_together(trained, dest)] == [(), (CONFIG,)]


def test_nothing_is_written_unless_all_pass(trained: dict[str, Path], tmp_path: Path) -> None:
    def check(directory: Path) -> None:
        if digest_of(directory) == digest_of(trained["support"]):
            raise ValueError("it would be refused")

    with pytest.raises(ValueError, match="it would be refused"):
        publish_together(trained, str(tmp_path / "watched"), check=check)
    (trained["support"] / WEIGHTS).unlink()
    with pytest.raises(Refused):
        publish_together(trained, str(tmp_path / "watched"))
    assert not (tmp_path / "watched").exists()


@pytest.mark.parametrize("name", ["", "..", ".hidden", "a/b", "x" * 65])
def test_a_name_that_no_channel_has_is_refused(trained: dict[str, Path], tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="cannot be a channel here"):
        publish_together(trained | {name: trained["sales"]}, str(tmp_path / "watched"))


def test_one_adapter_is_no_set(trained: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least two members"):
        publish_together({"sales": trained["sales"]}, str(tmp_path / "watched"))


def test_more_members_than_a_manifest_names_are_refused(trained: dict[str, Path], tmp_path: Path) -> None:
    many = {f"{index:064}": trained["sales"] for index in range(490)}
    with pytest.raises(ValueError, match="490 members are more than a manifest can name"):
        publish_together(many, str(tmp_path / "watched"))


def test_a_watched_folder_fetches_it_as_a_member(trained: dict[str, Path], tmp_path: Path) -> None:
    publish_together(trained, str(tmp_path / "watched"))
    source = LocalSource("", tmp_path / "watched", settle=0.0)
    store = Store(tmp_path / "store", reserve_bytes=0)
    found = [source.fetch(one, store, threading.Event()) for one in source.scan().sightings]
    together = dump_members({name: digest_of(path) for name, path in trained.items()})
    assert [one.together for one in found] == [together, together]
