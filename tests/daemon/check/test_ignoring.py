"""What a daemon never takes, by the names in an address: those below a source's root, or the last one."""

from pathlib import Path

import pytest

from hotswapd.daemon.check.ignoring import ignored_at
from hotswapd.daemon.config.settings import SourceTable
from hotswapd.daemon.config.sources import HubTable, LocalTable, S3Table

SOURCES: list[SourceTable] = [
    LocalTable(kind="local", path=Path("/srv/old.tmp")),
    LocalTable(kind="local", path=Path("/srv/old.tmp/runs.part")),
    S3Table(kind="s3", uri="s3://bucket/runs.tmp/"),
    HubTable(kind="hub", repo="org/adapter.tmp"),
]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("/srv/old.tmp/run-7.tmp", "run-7.tmp"),
        ("/srv/old.tmp/.hidden/run-7", ".hidden"),
        ("file:///srv/old.tmp/run-7.tmp", "run-7.tmp"),
        ("s3://bucket/runs.tmp/run-7.tmp", "run-7.tmp"),
        ("/elsewhere/run-7.tmp", "run-7.tmp"),
        ("s3://other/runs.tmp/run-7.tmp", "run-7.tmp"),
    ],
)
def test_the_name_is_told(text: str, name: str) -> None:
    assert f"the name {name!r}" in ignored_at(text, SOURCES)


@pytest.mark.parametrize(
    "text",
    [
        "/srv/old.tmp/run-7",
        "/srv/old.tmp",
        "/srv/old.tmp/runs.part/run-7",
        "s3://bucket/runs.tmp/run-7",
        "/elsewhere/x.tmp/run-7",
        "hf://org/adapter.tmp",
        "hf://org/other.tmp",
    ],
)
def test_nothing_is_told(text: str) -> None:
    """The root's own name, what one of two sources takes, names above that may not be watched, and repositories."""
    assert ignored_at(text, SOURCES) == ""


def test_what_is_no_address_is_an_error() -> None:
    with pytest.raises(ValueError, match="slashes"):
        ignored_at("s3:/bucket/run", SOURCES)
