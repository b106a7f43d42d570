"""A manifest names the set of its adapter, or none; what cannot be read as one is not taken for none."""

import json

import pytest

from hotswapd.loaders.digests import Listed, dump_digests, load_digests
from hotswapd.loaders.files import CONFIG, WEIGHTS
from hotswapd.loaders.together import dump_members, load_members, members_of

ONE, TWO = "1" * 64, "2" * 64
FILES = {CONFIG: Listed(ONE, 2), WEIGHTS: Listed(TWO, 3)}


def test_a_set_has_one_name_whatever_the_order() -> None:
    assert dump_members({"b": TWO, "a": ONE}) == dump_members({"a": ONE, "b": TWO})
    assert load_members(dump_members({"b": TWO, "a": ONE})) == {"a": ONE, "b": TWO}
    assert load_members("") == {}


def test_the_manifest_carries_it() -> None:
    raw = dump_digests(FILES, "base", {"sales": ONE, "support": TWO})
    assert members_of(raw) == dump_members({"sales": ONE, "support": TWO})
    assert load_digests(raw) == FILES
    assert members_of(dump_digests(FILES)) == ""


@pytest.mark.parametrize(
    "given", [[], {}, "a", {"a": "1"}, {"a": 1}, {"a/b": ONE}, {"": ONE}, {"a": ONE.upper() + "x"}]
)
def test_what_is_no_set_is_refused(given: object) -> None:
    """It would otherwise go live by itself."""
    whole = json.loads(dump_digests(FILES)) | {"together": given}
    with pytest.raises(ValueError, match="does not name channels with their digests"):
        load_digests(json.dumps(whole).encode())


def test_what_is_not_json_names_no_set() -> None:
    """A Hub's manifest may be somebody else's; folders and buckets refuse such a one for what it should list."""
    assert members_of(b"{") == members_of(b"[]") == ""
