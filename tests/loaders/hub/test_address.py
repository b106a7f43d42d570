"""An address on a Hub is split into repository, revision and subfolder."""

import pytest

from hotswapd.loaders import table_alone
from hotswapd.loaders.hub.address import split_repository, split_revision
from hotswapd.loaders.uri import AdapterURI


@pytest.mark.parametrize(
    ("text", "repository", "rest"),
    [
        ("hf://org/a", "org/a", ""),
        ("hf://org/a/x/y", "org/a", "/x/y"),
        ("hf://org/a@v1/x", "org/a", "@v1/x"),
        ("hf://org/a/x@y", "org/a", "/x@y"),
        ("hf://only", "only/", ""),
    ],
)
def test_a_repository_ends_at_slash_or_at_sign(text: str, repository: str, rest: str) -> None:
    assert split_repository(AdapterURI.parse(text)) == (repository, rest)


@pytest.mark.parametrize(
    ("rest", "revision", "subfolder"),
    [
        ("", "main", ""),
        ("/x/y", "main", "x/y"),
        ("@v1", "v1", ""),
        ("@v1/x/y", "v1", "x/y"),
        ("@refs/pr/1/x", "refs/pr/1", "x"),
        ("@refs/pr/10/x", "refs", "pr/10/x"),
        ("@refs/x", "refs", "x"),
    ],
)
def test_a_configured_revision_may_have_slashes(rest: str, revision: str, subfolder: str) -> None:
    assert split_revision(rest, ["refs", "refs/pr/1"]) == (revision, subfolder)


def test_an_address_alone_borrows_from_its_repositorys_table() -> None:
    """The token and the endpoint, if a table of that repository has any; what it names itself counts."""
    tables = [
        {
            "kind": "hub",
            "repo": "org/a",
            "revision": "v1",
            "subfolder": "x",
            "token_file": "/t",
            "endpoint": "https://h",
        },
        {"kind": "hub", "repo": "org/b", "revision": "main", "subfolder": "", "token_file": "/other", "endpoint": ""},
    ]
    lent = {"kind": "hub", "token_file": "/t", "endpoint": "https://h"}
    own = {"repo": "org/a", "revision": "main", "subfolder": "y", "name": "hf://org/a/y"}
    assert table_alone(AdapterURI.parse("hf://org/a/y"), tables) == lent | own
    alone = {"kind": "hub", "repo": "org/c", "revision": "v2", "subfolder": "", "name": "hf://org/c@v2"}
    assert table_alone(AdapterURI.parse("hf://org/c@v2"), tables) == alone
