"""What somebody types for a base or a source, and the table that it becomes."""

from pathlib import Path

import pytest

from hotswapd.daemon.config.addresses import model_table, source_table
from hotswapd.daemon.config.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "table"),
    [
        ("/srv/a/", {"kind": "local", "path": "/srv/a"}),
        ("file:///srv/a", {"kind": "local", "path": "/srv/a"}),
        ("s3://bucket", {"kind": "s3", "uri": "s3://bucket/"}),
        ("s3://bucket/runs/", {"kind": "s3", "uri": "s3://bucket/runs/"}),
        ("hf://org/adapter", {"kind": "hub", "repo": "org/adapter"}),
        ("hf://org/adapter/sub/deep", {"kind": "hub", "repo": "org/adapter", "subfolder": "sub/deep"}),
        ("hf://org/adapter@v2/sub", {"kind": "hub", "repo": "org/adapter", "subfolder": "sub", "revision": "v2"}),
    ],
)
def test_an_address_becomes_the_table_of_its_kind(text: str, table: dict[str, str]) -> None:
    assert source_table(text, {"HOME": "/nonexistent"}) == table


def test_a_relative_folder_is_named_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert source_table("./adapters", {})["path"] == str(tmp_path / "adapters")


@pytest.mark.parametrize(("text", "said"), [("s3:/b/p", "slashes"), ("ftp://x", "must start with"), ("", "is empty")])
def test_what_is_no_address_is_said(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        source_table(text, {})
    assert caught.value.key == "SOURCE"


def test_a_token_in_the_environment_goes_before_a_login(tmp_path: Path) -> None:
    """As in huggingface_hub; the table names the variable, so that no file is needed and no secret is written."""
    (tmp_path / "token").write_text("hf_x")
    environ = {"HF_TOKEN_PATH": str(tmp_path / "token"), "HF_TOKEN": "hf_secret"}
    table = source_table("hf://org/a", environ)
    assert (table["token_env"], table.get("token_file")) == ("HF_TOKEN", None)
    assert "hf_secret" not in str(table)
    assert "token_env" not in source_table("hf://org/a", environ | {"HF_TOKEN": " "})


def test_the_token_of_a_login_is_sent_to_the_hub(tmp_path: Path) -> None:
    """Where huggingface_hub keeps it, and only if it is there."""
    for variable, place in (("HF_HOME", "hf"), ("XDG_CACHE_HOME", "cache/huggingface"), ("HOME", ".cache/huggingface")):
        token = tmp_path / variable / place / "token"
        token.parent.mkdir(parents=True)
        value = {"HF_HOME": token.parent, "XDG_CACHE_HOME": token.parents[1], "HOME": token.parents[2]}[variable]
        assert "token_file" not in source_table("hf://org/a", {variable: str(value)})
        token.write_text("hf_x")
        assert source_table("hf://org/a", {variable: str(value)})["token_file"] == str(token)
    assert source_table("hf://org/a", {"HF_TOKEN_PATH": str(token), "HOME": "/h"})["token_file"] == str(token)


def test_a_name_on_the_hub_stays_as_it_is() -> None:
    assert model_table("org/model") == ({"base": "org/model"}, [])
    assert model_table("gpt2") == ({"base": "gpt2"}, [])
    assert model_table("hf://org/model@v2") == ({"base": "org/model", "revision": "v2"}, [])


def test_a_directory_is_named_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Adapters may call it as it was typed, or by its last part."""
    (tmp_path / "models" / "tiny").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    base = str(tmp_path / "models" / "tiny")
    assert model_table("models/tiny") == ({"base": base}, ["models/tiny", "tiny"])
    assert model_table(base) == ({"base": base}, ["tiny"])


@pytest.mark.parametrize("text", ["./nowhere", "/nowhere/at/all", "~/model", "s3://b/model", "a/b/c", "hf://o/m/sub"])
def test_what_can_be_no_base_is_said(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        model_table(text)
    assert caught.value.key == "BASE"
