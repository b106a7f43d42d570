"""Which source ``hotswapd check`` makes for an address, and what it says of one that no source could have."""

from pathlib import Path

import pytest

from hotswapd.daemon.check.fetch import table_for
from hotswapd.daemon.cli import main
from hotswapd.daemon.config.settings import HubTable, S3Table
from hotswapd.loaders import open_source
from hotswapd.loaders.uri import AdapterURI

RUNS = S3Table(kind="s3", uri="s3://bucket/runs/", endpoint_url="http://minio:9000", queue_url="http://q", marker="_OK")


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Be somebody who is not logged in to a Hub."""
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.delenv("HF_TOKEN_PATH", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path))


def table(uri: str, *configured: S3Table | HubTable) -> S3Table | HubTable:
    found = table_for(AdapterURI.parse(uri), configured)
    assert isinstance(found, (S3Table, HubTable))
    assert found.name == uri
    return found


def test_a_configured_prefix_lends_its_settings_but_its_queue() -> None:
    found = table("s3://bucket/runs/7", RUNS, HubTable(kind="hub", repo="org/a"))
    assert isinstance(found, S3Table)
    assert (found.uri, found.endpoint_url, found.marker) == ("s3://bucket/runs/7/", "http://minio:9000", "_OK")
    assert found.queue_url == ""


def test_a_prefix_beside_lends_nothing() -> None:
    assert table("s3://bucket/other/7", RUNS) == S3Table(
        kind="s3", uri="s3://bucket/other/7/", name="s3://bucket/other/7"
    )


def test_a_configured_repository_lends_its_token() -> None:
    found = table("hf://org/a@v2/checkpoints/9", RUNS, HubTable(kind="hub", repo="org/a", token_file="/run/token"))
    assert isinstance(found, HubTable)
    assert (found.repo, found.subfolder, found.revision) == ("org/a", "checkpoints/9", "v2")
    assert found.token_file == "/run/token"
    assert table("hf://org/b", found) == HubTable(kind="hub", repo="org/b", name="hf://org/b")


def test_an_address_alone_is_read_as_whoever_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A configured repository keeps its own token."""
    monkeypatch.setenv("HF_TOKEN", "hf_x")
    found = table("hf://org/b")
    assert isinstance(found, HubTable)
    assert (found.token_env, found.token_file) == ("HF_TOKEN", "")
    lent = table("hf://org/a", HubTable(kind="hub", repo="org/a", token_file="/run/token"))
    assert isinstance(lent, HubTable)
    assert (lent.token_env, lent.token_file) == ("", "/run/token")


@pytest.mark.parametrize(
    ("uri", "revision", "subfolder"),
    [
        ("hf://org/a", "main", ""),
        ("hf://org/a/x/y", "main", "x/y"),
        ("hf://org/a@v1", "v1", ""),
        ("hf://org/a@v1/x/y", "v1", "x/y"),
        ("hf://org/a@refs/pr/1", "refs/pr/1", ""),
        ("hf://org/a@refs/pr/1/x", "refs/pr/1", "x"),
    ],
)
def test_the_source_of_a_hub_address_contains_it(uri: str, revision: str, subfolder: str) -> None:
    found = table(uri, HubTable(kind="hub", repo="org/a", revision="refs/pr/1"))
    assert isinstance(found, HubTable)
    assert (found.repo, found.revision, found.subfolder) == ("org/a", revision, subfolder)
    source = open_source(found)
    assert source.contains(AdapterURI.parse(uri))
    source.close()


@pytest.mark.parametrize("uri", ["s3://B/x", "hf://only-one-part", "hf://org/a b"])
def test_a_malformed_address_is_exit_4(capsys: pytest.CaptureFixture[str], uri: str) -> None:
    assert main(["check", uri]) == 4
    assert "is not an address of an adapter: must be" in capsys.readouterr().err
