"""The source of an address that is checked: its own, with the settings of a configured one."""

from typing import Any

import pytest

from hotswapd.daemon.check.fetch import table_for
from hotswapd.daemon.config.settings import HubTable, S3Table
from hotswapd.loaders import open_source
from hotswapd.loaders.uri import AdapterURI


def test_an_address_has_its_sources_settings() -> None:
    """Endpoint, marker, token: those of the configured source that it lies in."""
    configured = (
        S3Table(
            kind="s3", uri="s3://bucket/runs/", endpoint_url="http://minio:9000", queue_url="http://q", marker="_OK"
        ),
        HubTable(kind="hub", repo="org/a", revision="v2", token_file="/run/token"),
    )
    inside: Any = table_for(AdapterURI.parse("s3://bucket/runs/7"), configured)
    assert (inside.uri, inside.endpoint_url, inside.marker) == ("s3://bucket/runs/7/", "http://minio:9000", "_OK")
    assert inside.queue_url == ""
    outside: Any = table_for(AdapterURI.parse("s3://bucket/other/7"), configured)
    assert outside.endpoint_url == ""
    hub: Any = table_for(AdapterURI.parse("hf://org/a@v2/checkpoints/9"), configured)
    assert (hub.repo, hub.subfolder, hub.revision, hub.token_file) == ("org/a", "checkpoints/9", "v2", "/run/token")
    other = table_for(AdapterURI.parse("hf://org/b"), configured)
    assert isinstance(other, HubTable)
    assert other.revision == "main"


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
def test_the_source_of_a_hub_address_has_that_address(uri: str, revision: str, subfolder: str) -> None:
    configured = (HubTable(kind="hub", repo="org/a", revision="refs/pr/1"),)
    table: Any = table_for(AdapterURI.parse(uri), configured)
    assert (table.repo, table.revision, table.subfolder) == ("org/a", revision, subfolder)
    source = open_source(table)
    assert source.contains(AdapterURI.parse(uri))
    source.close()
