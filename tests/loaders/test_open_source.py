"""A configuration table becomes the source of its kind."""

import inspect
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from hotswapd.loaders import KINDS, open_source
from hotswapd.loaders.local.source import LocalSource


def test_a_local_table_becomes_a_local_source(tmp_path: Path) -> None:
    table = SimpleNamespace(kind="local", name="", path=str(tmp_path), settle=1.0, rescan=5.0, marker="_SUCCESS")
    source = open_source(table, max_bytes=1000)
    assert isinstance(source, LocalSource)
    assert (source.kind, source.name, source.path) == ("local", str(tmp_path), str(tmp_path))
    assert source.scan().again_in == 5.0
    source.close()


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(ValueError, match="'ftp' is no kind of source: write local, s3, hub"):
        open_source(SimpleNamespace(kind="ftp"))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_takes_its_tables_keys(kind: str) -> None:
    module, name, keys = KINDS[kind]
    found = pytest.importorskip(f"hotswapd.loaders.{module}", reason="this kind of source is not built yet")
    parameters = list(inspect.signature(getattr(found, name)).parameters)
    assert parameters[: len(keys) + 1] == [*keys, "max_bytes"]


def test_a_local_source_imports_no_cloud_client_and_no_tensor_library(tmp_path: Path) -> None:
    program = (
        "import sys; from hotswapd.loaders.local.source import LocalSource; LocalSource('', sys.argv[1]).scan();"
        "print({'torch', 'peft', 'boto3', 'botocore', 'huggingface_hub'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
