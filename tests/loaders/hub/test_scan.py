"""A scan says which commit it is, and asks for no more than it must."""

from collections.abc import Iterator

import pytest
from kits.folders import CONFIG, WEIGHTS
from kits.hub import GO, REPO, adapter, opened, serves, sight
from kits.hub_server import HubServer

from hotswapd.loaders.hub.source import HubSource
from hotswapd.loaders.store.store import Store
from hotswapd.loaders.uri import AdapterURI


@pytest.fixture
def source(hub: HubServer) -> Iterator[HubSource]:
    with opened(hub, poll=7.0) as source:
        yield source


def test_the_sighting_names_the_branchs_commit_and_its_date(hub: HubServer, source: HubSource) -> None:
    commit = hub.commit(REPO, adapter())
    scan = source.scan()
    (sighting,) = scan.sightings
    assert (str(sighting.uri), sighting.revision, sighting.waiting) == (f"hf://{REPO}", commit, None)
    assert sighting.stamp == 1795464060.0  # a minute after the stand-in's first second, 2026-11-23 20:00 UTC
    assert scan.again_in == 7.0


def test_an_unchanged_branch_costs_one_head(hub: HubServer, source: HubSource) -> None:
    hub.commit(REPO, adapter())
    first = source.scan()
    with hub.counting() as seen:
        assert source.scan() == first
    assert [request.method for request in seen] == ["HEAD"]


def test_a_new_commit_is_a_new_revision_with_a_later_stamp(hub: HubServer, source: HubSource) -> None:
    hub.commit(REPO, adapter())
    old = sight(source)
    commit = hub.commit(REPO, adapter(b"new!"))
    new = sight(source)
    assert new.revision == commit != old.revision
    assert new.stamp > old.stamp


def test_a_commit_that_leaves_both_files_alone_changes_nothing(hub: HubServer, source: HubSource) -> None:
    """A model card is written after each push: it must not make a fetch, let alone a swap."""
    hub.commit(REPO, adapter())
    first = source.scan()
    hub.commit(REPO, {"README.md": b"words"})
    assert source.scan() == first


def test_a_force_push_of_the_same_files_changes_nothing(hub: HubServer, source: HubSource, store: Store) -> None:
    hub.commit(REPO, adapter())
    first = source.scan()
    hub.force_push(REPO, adapter())
    assert source.scan() == first
    serves(source, store, b"\1\2\3\4")


def test_a_changed_config_alone_is_a_new_revision(hub: HubServer, source: HubSource) -> None:
    hub.commit(REPO, adapter())
    old = sight(source)
    hub.commit(REPO, {CONFIG: b'{"r": 4}'})
    assert sight(source).revision != old.revision


def test_without_dates_of_files_the_commits_date_counts(hub: HubServer, source: HubSource) -> None:
    hub.tells_dates = False
    hub.commit(REPO, adapter())
    assert sight(source).stamp == 1795464060.0


def test_the_stamp_is_the_date_of_the_files(hub: HubServer, source: HubSource) -> None:
    """So that a source that starts late does not take a fresh model card for a fresh adapter."""
    hub.commit(REPO, adapter())
    hub.commit(REPO, {"README.md": b"words"})
    assert sight(source).stamp == 1795464060.0


@pytest.mark.parametrize("missing", [CONFIG, WEIGHTS])
def test_half_an_adapter_is_waited_for_by_name(hub: HubServer, source: HubSource, missing: str) -> None:
    whole = adapter()
    hub.commit(REPO, {path: data for path, data in whole.items() if path != missing})
    (sighting,) = source.scan().sightings
    assert sighting.waiting is not None
    assert sighting.waiting.code == "incomplete"
    assert sighting.waiting.sentence.startswith(missing)
    hub.commit(REPO, {missing: whole[missing]})
    assert sight(source).waiting is None


def test_a_pickle_waits_and_is_named(hub: HubServer, source: HubSource) -> None:
    hub.commit(REPO, {CONFIG: b"{}", "adapter_model.bin": b"\x80\x04"})
    (sighting,) = source.scan().sightings
    assert sighting.waiting is not None
    assert "adapter_model.bin is never loaded" in sighting.waiting.sentence


def test_a_repository_without_an_adapter_is_empty_and_well(hub: HubServer, source: HubSource) -> None:
    hub.commit(REPO, {"README.md": b"words", "deep/adapter_config.json": b"{}"})
    assert source.scan().sightings == ()


def test_deleting_the_files_leaves_nothing_to_sight(hub: HubServer, source: HubSource) -> None:
    hub.commit(REPO, adapter())
    sight(source)
    hub.commit(REPO, {CONFIG: None, WEIGHTS: None})
    assert source.scan().sightings == ()


def test_subfolders_of_one_repository_are_sources_of_their_own(hub: HubServer, store: Store) -> None:
    hub.commit(
        REPO, {**adapter(b"root"), **adapter(b"left", under="runs/left/"), **adapter(b"rite", under="runs/r i/")}
    )
    with (
        opened(hub) as root,
        opened(hub, subfolder="runs/left") as left,
        opened(hub, subfolder="/runs/r i/") as right,
    ):
        assert [str(source.uri) for source in (root, left, right)] == [
            f"hf://{REPO}",
            f"hf://{REPO}/runs/left",
            f"hf://{REPO}/runs/r%20i",
        ]
        for source, payload in ((root, b"root"), (left, b"left"), (right, b"rite")):
            serves(source, store, payload)
        before = [source.scan() for source in (root, right)]
        hub.commit(REPO, adapter(b"new!", under="runs/left/"))
        serves(left, store, b"new!")
        assert [source.scan() for source in (root, right)] == before


def test_every_kind_of_revision_is_watched(hub: HubServer, store: Store) -> None:
    pinned = hub.commit(REPO, adapter(b"main"))
    hub.repos[REPO].refs["v1.0"] = pinned
    hub.commit(REPO, adapter(b"next"))
    hub.commit(REPO, adapter(b"pull"), ref="refs/pr/1")
    with (
        opened(hub) as main,
        opened(hub, revision="v1.0") as tag,
        opened(hub, revision=pinned) as commit,
        opened(hub, revision="refs/pr/1") as pull,
    ):
        sources = (main, tag, commit, pull)
        assert len({source.uri for source in sources}) == 4
        for source, payload in zip(sources, (b"next", b"main", b"main", b"pull"), strict=True):
            serves(source, store, payload)


def test_a_moved_tag_is_followed(hub: HubServer, store: Store) -> None:
    hub.commit(REPO, adapter(b"old!"), ref="live")
    with opened(hub, revision="live") as source:
        serves(source, store, b"old!")
        hub.repos[REPO].refs["live"] = hub.commit(REPO, adapter(b"new!"))
        serves(source, store, b"new!")


@pytest.mark.parametrize("subfolder", ["..", "a/../..", "a//b", "./a"])
def test_a_subfolder_that_leaves_the_repository_is_refused(subfolder: str) -> None:
    with pytest.raises(ValueError, match="plain path inside the repository"):
        HubSource("", REPO, subfolder)


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        (f"hf://{REPO}/sub", True),
        (f"hf://{REPO}@main/sub", True),
        (f"hf://{REPO}/sub/", True),
        (f"hf://{REPO}", False),
        (f"hf://{REPO}/sub/deeper", False),
        (f"hf://{REPO}@v1/sub", False),
        (f"hf://{REPO}@maintenance/sub", False),
        ("s3://org/adapters/sub", False),
    ],
)
def test_only_its_own_address_is_inside(text: str, inside: bool) -> None:
    assert HubSource("", REPO, "sub").contains(AdapterURI.parse(text)) is inside


def test_wake_and_close_end_a_wait(source: HubSource) -> None:
    source.wake()
    source.wait(3600)
    source.close()
    source.wait(3600)
    source.close()


def test_two_fetches_of_the_same_content_are_one_artifact(hub: HubServer, source: HubSource, store: Store) -> None:
    hub.commit(REPO, adapter())
    assert source.fetch(sight(source), store, GO) == source.fetch(sight(source), store, GO)
