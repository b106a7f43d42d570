"""A configuration table becomes the source of its kind."""

import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

import pytest

from hotswapd.daemon.config.sources import HubTable, LocalTable, S3Table
from hotswapd.loaders import KINDS, keys_of, open_source
from hotswapd.loaders.local.source import LocalSource


def test_a_local_table_becomes_a_local_source(tmp_path: Path) -> None:
    table = SimpleNamespace(kind="local", name="", path=str(tmp_path), settle=1.0, rescan=5.0, marker="_SUCCESS")
    source = open_source(table, max_bytes=1000)
    assert isinstance(source, LocalSource)
    assert (source.kind, source.name, source.path) == ("local", str(tmp_path), str(tmp_path))
    assert source.scan().again_in == 5.0
    source.close()


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(ValueError, match="'ftp' is not a kind of source: write local, s3, hub"):
        open_source(SimpleNamespace(kind="ftp"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_takes_the_keys_of_its_table(kind: str) -> None:
    """All but the channel: which served name its adapters are for is no affair of a source."""
    tables = {get_args(table.model_fields["kind"].annotation)[0]: table for table in (LocalTable, S3Table, HubTable)}
    assert {*keys_of(kind), "kind", "channel"} == set(tables[kind].model_fields)


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_names_the_class_of_its_kind(kind: str) -> None:
    row = KINDS[kind]
    source_class = getattr(import_module(row.module), row.class_name)
    assert source_class.kind == kind
    parameters = inspect.signature(source_class).parameters
    assert parameters["max_bytes"].kind is inspect.Parameter.KEYWORD_ONLY


def test_reading_an_address_imports_no_client() -> None:
    program = (
        "import sys; from hotswapd.loaders.uri import AdapterURI; AdapterURI.parse('hf://org/a');"
        "print({'boto3', 'huggingface_hub', 'watchdog'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_local_source_imports_no_heavy_library(tmp_path: Path) -> None:
    program = (
        "import sys; from hotswapd.loaders.local.source import LocalSource; LocalSource('', sys.argv[1]).scan();"
        "print({'torch', 'peft', 'boto3', 'botocore', 'huggingface_hub'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
