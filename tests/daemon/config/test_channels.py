"""``[[channel]]`` and the key `channel` of a source."""

import tomllib
from typing import Any

import pytest
from kits.configs import MODEL, Load

from hotswapd.daemon.config.settings import Settings
from hotswapd.daemon.config.written import written

LOCAL = '[[source]]\nkind = "local"\npath = "/a"\n'
S3 = '[[source]]\nkind = "s3"\nuri = "s3://bucket/p/"\n'
HUB = '[[source]]\nkind = "hub"\nrepo = "org/a"\n'


def test_a_source_belongs_to_the_default_channel(load: Load) -> None:
    assert {source.channel for source in load(MODEL + LOCAL + S3 + HUB).source} == {"default"}


def test_a_source_names_its_channel_or_takes_it_from_the_path(load: Load) -> None:
    text = MODEL + LOCAL + 'channel = "support"\n' + S3 + 'channel = "{1}"\n'
    assert [source.channel for source in load(text).source] == ["support", "{1}"]


def test_a_repository_is_one_adapter_and_takes_no_channel_from_a_path(load: Load) -> None:
    assert list(load.problems(MODEL + HUB + 'channel = "{1}"\n')) == ["source[0].channel"]


@pytest.mark.parametrize("name", ["", "a b", "a/b", "a@g1", "x" * 65, "{2}", "ä"])
def test_a_name_that_no_channel_can_have_is_refused(load: Load, name: str) -> None:
    """The sentence has the code."""
    for text in (LOCAL + f'channel = "{name}"\n', f'[[channel]]\nname = "{name}"\n'):
        (sentence,) = load.problems(MODEL + text).values()
        assert "(channel_name)" in sentence


@pytest.mark.parametrize("name", ["model", "Tuned-1", "other"])
def test_a_name_of_the_base_is_refused(load: Load, name: str) -> None:
    """As it is written, its last part, and the names that adapters may have for it."""
    base = '[model]\nbase = "org/model"\n[admission]\nbase_models = ["Tuned-1", "other", "*"]\n'
    for text, key in (
        (LOCAL + f'channel = "{name}"\n', "source[0].channel"),
        (f'[[channel]]\nname = "{name}"\n', "channel[0].name"),
    ):
        found = load.problems(base + text)
        assert list(found) == [key]
        assert "(channel_name)" in found[key]


def test_the_default_channel_may_have_a_table(load: Load) -> None:
    settings = load('[model]\nbase = "org/default"\n[[channel]]\nname = "default"\n[channel.verify]\nmax_loss = 0.1\n')
    assert (settings.verify.max_loss, settings.verify_of("default").max_loss) == (0.5, 0.1)


def test_two_tables_of_one_channel_are_refused(load: Load) -> None:
    assert list(load.problems(MODEL + '[[channel]]\nname = "a"\n' * 2)) == ["channel[1].name"]


def test_a_channel_overrides_key_by_key(load: Load) -> None:
    """What it does not set is that of every channel, in tables inside a table too."""
    settings = load(
        MODEL + "[verify]\nmax_loss = 0.4\n[verify.watch]\nseconds = 5\nmin_requests = 7\n[rollout]\nweight = 9\n"
        '[[channel]]\nname = "support"\n[channel.verify]\nmax_logit = 7\n[channel.verify.watch]\nseconds = 1\n'
        '[channel.rollout]\nmode = "canary"\n[[channel]]\nname = "sales"\n'
    )
    support = settings.verify_of("support")
    assert (support.max_loss, support.max_logit, support.watch.seconds, support.watch.min_requests) == (0.4, 7, 1, 7)
    assert (settings.rollout_of("support").mode, settings.rollout_of("support").weight) == ("canary", 9)
    for other in ("sales", "default", "never-named"):
        assert (settings.verify_of(other), settings.rollout_of(other)) == (settings.verify, settings.rollout)


def test_keys_that_do_not_go_together_are_refused(load: Load) -> None:
    """Also if the one is the channel's and the other every channel's."""
    text = MODEL + '[rollout]\nweight = 100\n[[channel]]\nname = "a"\n[channel.rollout]\nmode = "canary"\n'
    assert "weight must be below 100" in load.problems(text)["channel[0].rollout"]


@pytest.mark.parametrize("key", ['header = "X-User"', "feedback = true"])
def test_what_belongs_to_the_server_is_no_channels(load: Load, key: str) -> None:
    found = load.problems(MODEL + f'[[channel]]\nname = "a"\n[channel.rollout]\n{key}\n')
    assert list(found) == [f"channel[0].rollout.{key.split()[0]}"]


def test_an_unknown_key_is_refused_where_it_is(load: Load) -> None:
    found = load.problems(MODEL + '[[channel]]\nname = "a"\n[channel.verify]\nmax_los = 1\n')
    assert found == {"channel[0].verify.max_los": "there is no such key; did you mean max_loss?"}


def test_channels_are_written_as_they_were_set() -> None:
    """As `hotswapd serve --write-config` does."""
    channel: dict[str, Any] = {"name": "a", "verify": {"max_loss": 0.1, "watch": {"seconds": 3}, "max_logit": 8}}
    tables = {"model": {"base": "org/m"}, "channel": [channel, {"name": "b", "rollout": {"mode": "ab"}}]}
    found = Settings(**tomllib.loads(written(tables)))
    assert [one.name for one in found.channel] == ["a", "b"]
    assert (found.verify_of("a").max_loss, found.verify_of("a").max_logit) == (0.1, 8.0)
    assert found.verify_of("a").watch.seconds == 3.0
    assert found.rollout_of("b").mode == "ab"
