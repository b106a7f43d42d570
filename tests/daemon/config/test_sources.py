"""The three kinds of ``[[source]]``."""

from typing import get_args

import pytest
from kits.configs import MODEL, Load

from hotswapd.daemon.config.settings import HubTable, LocalTable, S3Table
from hotswapd.loaders import KINDS


def test_the_kinds_of_source_have_their_defaults(load: Load) -> None:
    text = '[[source]]\nkind = "local"\npath = "/srv/a"\n[[source]]\nkind = "s3"\nuri = "s3://bucket/p/"\n'
    local, s3, hub = load(MODEL + text + '[[source]]\nkind = "hub"\nrepo = "org/a"\n').source
    assert isinstance(local, LocalTable)
    assert (local.name, local.settle, local.rescan, local.marker) == ("/srv/a", 2.0, 15.0, "")
    assert isinstance(s3, S3Table)
    assert (s3.name, s3.poll, s3.region, s3.endpoint_url, s3.queue_url) == ("s3://bucket/p/", 10.0, "", "", "")
    assert isinstance(hub, HubTable)
    assert (hub.name, hub.revision, hub.poll, hub.token_file) == ("hf://org/a", "main", 30.0, "")


def test_two_sources_of_one_name_are_refused(load: Load) -> None:
    twice = '[[source]]\nkind = "local"\npath = "/a"\n' * 2
    assert list(load.problems(MODEL + twice)) == ["source[1].name"]
    assert len(load(MODEL + twice + 'name = "other"\n').source) == 2


@pytest.mark.parametrize("name", ["a/b", "..", ".", "/"])
def test_a_marker_is_a_file_name(load: Load, name: str) -> None:
    """It must not lead out of the adapter's directory."""
    found = load.problems(MODEL + f'[[source]]\nkind = "local"\npath = "/a"\nmarker = "{name}"\n')
    assert found == {"source[0].marker": f"must be a file name without a slash, not '{name}'"}


def test_a_hub_is_named_by_folder_and_revision(load: Load) -> None:
    """Unless it has a name of its own."""
    hub = '[[source]]\nkind = "hub"\nrepo = "org/a"\nsubfolder = "runs/7"\nrevision = "v2"\n'
    assert load(MODEL + hub).source[0].name == "hf://org/a/runs/7@v2"
    assert load(MODEL + hub + 'name = "mine"\n').source[0].name == "mine"


def test_every_kind_that_can_be_opened_can_be_configured(load: Load) -> None:
    """An unknown one is told which there are."""
    kinds = [get_args(table.model_fields["kind"].annotation) for table in (LocalTable, S3Table, HubTable)]
    assert kinds == [(kind,) for kind in KINDS]
    found = load.problems(MODEL + '[[source]]\nkind = "ftp"\n')
    assert found == {"source[0]": f"kind must be one of {', '.join(KINDS)}"}
