"""Every wrong key with its sentence."""

import pytest
from kits.configs import MODEL, Load

from hotswapd.daemon.config.errors import ConfigError, Problem


def test_all_wrong_keys_are_named_at_once(load: Load) -> None:
    text = MODEL + 'max_rank = 0\n[[source]]\nkind = "local"\npath = "/a"\n[[source]]\nkind = "s3"\nuri = "bucket"\n'
    found = load.problems(text + "[serve]\nport = 70000\n")
    assert set(found) == {"model.max_rank", "source[1].uri", "serve.port"}
    assert found["source[1].uri"] == "must be s3://bucket/prefix/, not 'bucket'"


def test_an_unknown_key_is_an_error_with_a_suggestion(load: Load) -> None:
    assert load.problems(MODEL + "max_rnk = 3\n") == {"model.max_rnk": "there is no such key; did you mean max_rank?"}
    source = '[[source]]\nkind = "local"\npath = "/a"\nsetle = 1\n'
    assert load.problems(MODEL + source) == {"source[0].setle": "there is no such key; did you mean settle?"}
    assert list(load.problems(MODEL + "[modle]\nx = 1\n")) == ["modle"]


def test_without_a_near_key_all_are_listed(load: Load) -> None:
    assert load.problems(MODEL + "[log]\nx = 1\n") == {"log.x": "there is no such key; there are level, format"}


@pytest.mark.parametrize(
    ("text", "key", "sentence"),
    [
        ("serve = 5", "serve", "must be a table, not 5"),
        ("verify = []", "verify", "must be a table, not []"),
        ('verify.watch = "x"', "verify.watch", "must be a table, not 'x'"),
        ('channel = ["a"]', "channel[0]", "must be a table, not 'a'"),
        ("source = [3]", "source[0]", "must be a table, not 3"),
        ('source = "/srv"', "source", "must be a list, not '/srv'"),
        ("admission.base_models = 3", "admission.base_models", "must be a list, not 3"),
        ("source = [{}]", "source[0]", "kind must be one of local, s3, hub"),
    ],
)
def test_another_shape_is_called_by_its_toml_name(load: Load, text: str, key: str, sentence: str) -> None:
    """Nobody writes models or tuples into a file."""
    assert load.problems(f"{text}\n{MODEL}") == {key: sentence}


def test_a_long_value_is_cut(load: Load) -> None:
    """The sentence stays readable, whatever was written."""
    (sentence,) = load.problems(MODEL + f'[log]\nlevel = "{"x" * 500}"\n').values()
    assert sentence.startswith("must be 'debug', 'info', 'warning' or 'error', not 'xxx")
    assert sentence.endswith("…")
    assert len(sentence) < 120


def test_an_error_holds_every_problem() -> None:
    """`key` and `sentence` are those of the first."""
    error = ConfigError.of([Problem("a.b", "is wrong"), Problem("c", "is too")])
    assert (error.key, error.sentence, str(error)) == ("a.b", "is wrong", "a.b: is wrong; c: is too")
