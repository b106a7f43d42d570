"""The configuration: every default, every override, and an error for every key that is wrong."""

import os
import re
import threading
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kits.configs import MODEL, Load
from pydantic import ValidationError

from hotswapd.daemon.config.settings import ConfigError, Settings, load_settings

NOT_SHOWN = {"verify": {"probe", "dataset", "command"}, "serve": {"lanes"}}
"""What has no default to show, and what is still read but written no more."""


def test_lanes_are_still_read_as_berths(load: Load) -> None:
    """As the key was called before; where both are given the new one counts."""
    assert load(MODEL + "[serve]\nlanes = 6\n").serve.berths == 6
    assert load(MODEL + "[serve]\nlanes = 6\nberths = 3\n").serve.berths == 3
    assert load(MODEL + "[serve]\nlanes = 1\n").serve.berths == 2


def test_only_the_base_is_required(load: Load) -> None:
    settings = load()
    assert settings.model.model_dump() == {
        "base": "org/model",
        "revision": "main",
        "dtype": "auto",
        "device": "auto",
        "max_rank": 64,
        "target_modules": "all-linear",
        "attn_implementation": "sdpa",
        "compile": "auto",
        "trust_remote_code": False,
        "quantization": "none",
        "on_base_change": "verify",
    }
    assert settings.serve.model_dump() == {
        "host": "127.0.0.1",
        "port": 8080,
        "api_key_file": "",
        "api_keys_file": "",
        "model_names": (),
        "hosts": (),
        "cors_origins": (),
        "tls_cert": "",
        "tls_key": "",
        "idle_timeout": 60.0,
        "read_timeout": 30.0,
        "max_connections": 0,
        "max_per_address": 0,
        "berths": 4,
        "lanes": 0,
        "context_tokens": 4096,
        "cache_tokens": 0,
        "batch_tokens": 2048,
        "max_queue": 256,
        "max_drain": 0.0,
    }
    assert settings.admission.model_dump() == {
        "base_models": (),
        "base_names": "family",
        "max_artifact_bytes": 4294967296,
        "tokenizer": "warn",
    }
    assert settings.state.model_dump() == {"dir": Path("/var/lib/hotswapd"), "keep": 5, "host_bytes": 0, "max_bytes": 0}
    assert settings.control.socket == Path("/run/hotswapd/control.sock")
    assert settings.log.model_dump() == {"level": "info", "format": "auto"}
    assert settings.source == ()


def test_a_missing_base_is_named(load: Load) -> None:
    assert load.problems("") == {"model.base": "is required and missing"}


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ('[model]\nbase = ""\n', "model.base"),
        ('[model]\nbase = "m"\ndevice = "tpu"\n', "model.device"),
        ('[model]\nbase = "m"\ndtype = "int8"\n', "model.dtype"),
        ('[model]\nbase = "m"\ncompile = "maybe"\n', "model.compile"),
        ('[model]\nbase = "m"\ntarget_modules = []\n', "model.target_modules"),
        ('[model]\nbase = "m"\ntarget_modules = ".*proj"\n', "model.target_modules"),
        ('[model]\nbase = "m"\nmax_rank = true\n', "model.max_rank"),
        ("model = 3\n", "model"),
        (MODEL + '[state]\ndir = "here"\n', "state.dir"),
        (MODEL + "[state]\nkeep = 0\n", "state.keep"),
        (MODEL + f'[control]\nsocket = "/{"s" * 107}"\n', "control.socket"),
        (MODEL + '[serve]\napi_key_file = "key"\n', "serve.api_key_file"),
        (MODEL + "[serve]\nmax_drain = nan\n", "serve.max_drain"),
        (MODEL + "[serve]\nberths = 0\n", "serve.berths"),
        (MODEL + '[log]\nlevel = "loud"\n', "log.level"),
        (MODEL + "[verify]\nx = 1\n", "verify.x"),
        (MODEL + "[rollout]\nx = 1\n", "rollout.x"),
        (MODEL + '[[source]]\nkind = "ftp"\n', "source[0]"),
        (MODEL + '[[source]]\npath = "/a"\n', "source[0]"),
        (MODEL + '[[source]]\nkind = "local"\npath = "a"\n', "source[0].path"),
        (MODEL + '[[source]]\nkind = "local"\npath = "/a"\nmarker = "a/b"\n', "source[0].marker"),
        (MODEL + '[[source]]\nkind = "local"\npath = "/a"\nrescan = 0\n', "source[0].rescan"),
        (MODEL + '[[source]]\nkind = "local"\n', "source[0].path"),
        (MODEL + '[[source]]\nkind = "s3"\nuri = "s3://"\n', "source[0].uri"),
        (MODEL + '[[source]]\nkind = "s3"\nuri = "s3://b-1/p/"\nendpoint_url = "host"\n', "source[0].endpoint_url"),
        (
            MODEL + '[[source]]\nkind = "s3"\nuri = "s3://b-1/p/"\nexpected_bucket_owner = "me"\n',
            "source[0].expected_bucket_owner",
        ),
        (MODEL + '[[source]]\nkind = "hub"\nrepo = "one/two/three"\n', "source[0].repo"),
        (MODEL + '[[source]]\nkind = "hub"\nrepo = "a/b"\npoll = -1\n', "source[0].poll"),
    ],
)
def test_a_wrong_value_is_refused_under_its_key(load: Load, table: str, key: str) -> None:
    assert list(load.problems(table)) == [key]


def test_the_environment_overrides_the_file(load: Load) -> None:
    settings = load(
        MODEL + "max_rank = 8\n[log]\nlevel = 'error'\n",
        HOTSWAPD_MODEL__MAX_RANK="16",
        HOTSWAPD_MODEL__COMPILE="false",
        HOTSWAPD_MODEL__TARGET_MODULES='["q_proj"]',
        HOTSWAPD_ADMISSION__BASE_MODELS='["*"]',
        HOTSWAPD_SOURCE='[{"kind": "hub", "repo": "org/a"}]',
    )
    assert (settings.model.max_rank, settings.model.compile, settings.model.target_modules) == (16, False, ("q_proj",))
    assert settings.admission.base_models == ("*",)
    assert [source.name for source in settings.source] == ["hf://org/a"]
    assert settings.log.level == "error"


def test_the_environment_alone_is_enough() -> None:
    assert load_settings(None, {"HOTSWAPD_MODEL__BASE": "m", "PATH": "/bin"}).model.base == "m"


@pytest.mark.parametrize(
    ("name", "value", "key"),
    [
        ("HOTSWAPD_MODEL__MAX_RANK", "many", "model.max_rank"),
        ("HOTSWAPD_MODEL__MAX_RNK", "3", "model.max_rnk"),
        ("HOTSWAPD_MODLE__BASE", "m", "modle"),
        ("HOTSWAPD_SOURCE", "[{", "source"),
        ("HOTSWAPD_SOURCE", '[{"kind": "local"}]', "source[0].path"),
    ],
)
def test_a_wrong_variable_is_refused_under_its_key(load: Load, name: str, value: str, key: str) -> None:
    assert list(load.problems(**{name: value})) == [key]


def test_variables_of_other_tools_are_left_alone(load: Load) -> None:
    assert load(HOTSWAPD_REQUIRE_GPU="1").model.base == "org/model"


def test_a_table_is_merged_key_by_key(load: Load) -> None:
    """A variable replaces one key of a table of the file, and the others stay."""
    settings = load(MODEL + "[verify.watch]\nseconds = 5\nmin_requests = 7\n", HOTSWAPD_VERIFY__WATCH__SECONDS="9")
    assert (settings.verify.watch.seconds, settings.verify.watch.min_requests) == (9.0, 7)


def test_a_pipe_is_read_as_a_file(tmp_path: Path) -> None:
    """As a shell makes one of ``<(...)``."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(MODEL,))
    writer.start()
    assert load_settings(pipe, {}).model.base == "org/model"
    writer.join(30.0)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    absent, broken = tmp_path / "absent.toml", tmp_path / "broken.toml"
    broken.write_bytes(b"[model\n\xff")
    for file in (absent, broken, tmp_path):
        with pytest.raises(ConfigError) as caught:
            load_settings(file, {})
        assert caught.value.key == str(file)


def test_settings_are_frozen(load: Load) -> None:
    with pytest.raises(ValidationError):
        load().model.max_rank = 3


@given(st.dictionaries(st.text(max_size=8), st.none() | st.integers() | st.text(max_size=8), max_size=4))
def test_any_wrong_value_is_a_config_error(values: dict[str, Any]) -> None:
    try:
        settings = Settings.model_validate({"model": {"base": "m"}, "serve": values})
    except (ConfigError, ValidationError):
        return
    assert set(values) <= set(type(settings.serve).model_fields)


EXAMPLE = Path(__file__).parents[3] / "systemd" / "hotswapd.toml.example"


def test_the_shipped_example_is_a_valid_configuration() -> None:
    assert [source.kind for source in load_settings(EXAMPLE, {}).source] == ["local"]


def test_the_example_shows_the_defaults(load: Load) -> None:
    whole = re.sub(r"(?m)^# (?=\[\[|\w+ = )", "", EXAMPLE.read_text())
    shown, plain = load(whole), load(EXAMPLE.read_text())
    assert [source.kind for source in shown.source] == ["local", "s3", "hub"]
    assert shown.source[0] == plain.source[0]
    assert shown.model_dump(exclude={"source"}) == plain.model_dump(exclude={"source"})
    for table in Settings.model_fields.keys() - {"source", "channel"}:
        without_default = NOT_SHOWN.get(table, set())
        fields = set(type(getattr(shown, table)).model_fields) - without_default
        assert set(tomllib.loads(whole).get(table, {})) == fields, table
