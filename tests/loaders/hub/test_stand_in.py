"""The stand-in is believed because the Hub's own client library reads from it what a Hub would say."""

import hashlib
from pathlib import Path

import pytest
from huggingface_hub import HfApi, constants, get_hf_file_metadata, hf_hub_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from kits.folders import CONFIG, WEIGHTS, weights
from kits.hub import REPO, adapter
from kits.hub_server import HubServer


@pytest.fixture
def api(hub: HubServer) -> HfApi:
    return HfApi(endpoint=hub.url, token=False)


def metadata(hub: HubServer, path: str = CONFIG, revision: str = "main", token: str | bool = False) -> tuple[str, int]:
    found = get_hf_file_metadata(f"{hub.url}/{REPO}/resolve/{revision}/{path}", token=token, endpoint=hub.url)
    assert found.commit_hash is not None
    assert found.size is not None
    return found.commit_hash, found.size


def test_the_client_reads_commits_sizes_and_hashes(hub: HubServer, api: HfApi) -> None:
    commit = hub.commit(REPO, adapter())
    listed = {file.path: file for file in api.get_paths_info(REPO, [CONFIG, WEIGHTS, "no"], expand=True)}
    assert set(listed) == {CONFIG, WEIGHTS}
    large = listed[WEIGHTS].lfs  # type: ignore[union-attr]
    assert large is not None
    assert (large.sha256, large.size) == (hashlib.sha256(weights()).hexdigest(), len(weights()))
    assert api.model_info(REPO, revision="main").sha == commit
    assert metadata(hub) == (commit, 8)


def test_the_client_downloads_by_commit(hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    commit = hub.commit(REPO, adapter())
    for name, content in ((CONFIG, b'{"r": 8}'), (WEIGHTS, weights())):
        path = hf_hub_download(
            REPO, name, revision=commit, local_dir=tmp_path / "copy", endpoint=hub.url, token=False, etag_timeout=5
        )
        assert Path(path).read_bytes() == content


def test_the_client_raises_what_a_hub_makes_it_raise(hub: HubServer) -> None:
    with pytest.raises(RepositoryNotFoundError):
        metadata(hub)
    hub.commit(REPO, adapter())
    with pytest.raises(RevisionNotFoundError):
        metadata(hub, revision="no-such-branch")
    with pytest.raises(RemoteEntryNotFoundError):
        metadata(hub, path="no-such-file")
    with pytest.raises(HfHubHTTPError, match="Invalid credentials"):
        metadata(hub, token="hf_wrong")
    hub.repos[REPO].gated = True
    with pytest.raises(GatedRepoError):
        metadata(hub)
    with pytest.raises(GatedRepoError):
        metadata(hub, token=hub.token)
    hub.repos[REPO].private = True
    with pytest.raises(RepositoryNotFoundError):
        metadata(hub)
