"""One call to each remote source, with the daemon's own credentials."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from kits import s3 as s3_kit
from kits.doctors import only, settings
from kits.hub import REPO, adapter
from kits.hub_server import HubServer

from hotswapd.daemon.doctor.finding import Finding
from hotswapd.daemon.doctor.sources import check_sources


@pytest.fixture(scope="module")
def seaweed_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the address of a real S3 server."""
    with s3_kit.seaweed(tmp_path_factory.mktemp("seaweed")) as url:
        yield url


def test_a_bucket_is_read_with_good_credentials_and_not_with_bad_ones(
    seaweed_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    s3_kit.set_credentials(monkeypatch, tmp_path)
    place = s3_kit.new_place(seaweed_url)
    place.adapter("a")
    table = {"kind": "s3", "uri": place.uri, "endpoint_url": seaweed_url}
    found = only(check_sources(settings(source=[table])), "fine")
    assert (found.check, found.sentence) == (f"source {place.uri}", "it can be read: 1 adapter")
    assert (
        "s3_no_such_bucket"
        in only(check_sources(settings(source=[table | {"uri": "s3://none-such/"}])), "fails").sentence
    )
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    assert only(check_sources(settings(source=[table])), "fails").sentence.startswith("s3_")


def hub_found(hub: HubServer, outcome: str, **more: str) -> Finding:
    table = {"kind": "hub", "repo": REPO, "endpoint": hub.url, **more}
    return only(check_sources(settings(source=[table])), outcome)


def test_a_repository_is_read_with_its_token_and_not_without(tmp_path: Path) -> None:
    with HubServer() as hub:
        hub.commit(REPO, adapter())
        hub.repos[REPO].private = True
        with hub.counting() as asked:
            assert hub_found(hub, "fails").sentence.startswith("hub_")
        assert len(asked) == 1
        token = tmp_path / "token"
        token.write_text(hub.token)
        assert hub_found(hub, "fine", token_file=str(token)).sentence == "it can be read: 1 adapter"
    assert "hub_unreachable" in hub_found(hub, "fails").sentence
