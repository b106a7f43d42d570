"""An address is read strictly, shown in one form, and read back from it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotswapd.loaders.uri import AdapterURI, is_bucket


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/srv/a/run-7", "file:///srv/a/run-7"),
        ("/srv//a/./b/../run-7/", "file:///srv/a/run-7"),
        ("file:///srv/a%20b", "file:///srv/a%20b"),
        ("s3://bucket/prefix/run-7/", "s3://bucket/prefix/run-7"),
        ("hf://org/repo@v1/sub", "hf://org/repo@v1/sub"),
        ("s3://bucket/a?b#c", "s3://bucket/a"),
    ],
)
def test_an_address_has_one_form(text: str, shown: str) -> None:
    assert str(AdapterURI.parse(text)) == shown


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("ftp://x/y", "must start with file://, s3:// or hf://"),
        ("run-7", "must start with file://, s3:// or hf://"),
        ("file://host/path", "three slashes"),
        ("file:relative", "is not absolute"),
    ],
)
def test_a_malformed_address_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        AdapterURI.parse(text)


@given(st.sampled_from(["s3", "hf"]), st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_a_shown_address_is_read_back(scheme: str, name: str) -> None:
    uri = AdapterURI(scheme, f"place/{name}/end")
    assert AdapterURI.parse(str(uri)) == uri


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
def test_a_shown_path_is_read_back(name: str) -> None:
    uri = AdapterURI.of_path(f"/srv/{name}")
    assert AdapterURI.parse(str(uri)) == uri


def test_a_typed_path_may_be_relative(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(str(tmp_path))
    assert AdapterURI.typed("run-7").location == f"{tmp_path}/run-7"
    assert AdapterURI.typed("/srv/a://b").location == "/srv/a:/b"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "may not be set"),
        ("~/run", "did not expand"),
        ("s3:bucket/x", "lacks slashes"),
        ("HF:org/x", "lacks slashes"),
    ],
)
def test_a_typing_error_is_named(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        AdapterURI.typed(text)


@pytest.mark.parametrize("name", ["abc", "a.b-c", "a" * 63, "0a9"])
def test_names_of_buckets(name: str) -> None:
    assert is_bucket(name)


@pytest.mark.parametrize("name", ["ab", "a" * 64, "Abc", "-abc", "abc.", "a_b", "abc\n", ""])
def test_names_that_no_bucket_has(name: str) -> None:
    assert not is_bucket(name)
