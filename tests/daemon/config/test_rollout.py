"""``[rollout]``: what it takes, and the sentence for what it does not take."""

from pathlib import Path

import pytest

from hotswapd.daemon.config.settings import ConfigError, Settings, load_settings

BASE = '[model]\nbase = "org/model"\n'


def load(tmp_path: Path, text: str, **environ: str) -> Settings:
    file = tmp_path / "hotswapd.toml"
    file.write_text(BASE + text)
    return load_settings(file, environ)


def test_the_default_replaces(tmp_path: Path) -> None:
    """As it always did."""
    assert load(tmp_path, "").rollout.mode == "replace"


@pytest.mark.parametrize(
    ("text", "shares"),
    [
        ('mode = "canary"', (5.0,)),
        ('mode = "canary"\nweight = 10', (10.0,)),
        ('mode = "canary"\nsteps = [5, 25, 100]', (5.0, 25.0)),
        ('mode = "ab"\nweight = 50', (50.0,)),
    ],
)
def test_steps_are_what_is_compared(tmp_path: Path, text: str, shares: tuple[float, ...]) -> None:
    """100 is the promotion itself."""
    assert load(tmp_path, f"[rollout]\n{text}").rollout.shares == shares


def test_the_environment_can_set_it(tmp_path: Path) -> None:
    """Lists as JSON, as everywhere."""
    settings = load(tmp_path, "", HOTSWAPD_ROLLOUT__MODE="canary", HOTSWAPD_ROLLOUT__STEPS="[1, 100]")
    assert settings.rollout.shares == (1.0,)


@pytest.mark.parametrize(
    ("text", "key", "said"),
    [
        ('[rollout]\nmode = "blue"', "rollout.mode", "must be 'replace', 'canary' or 'ab'"),
        ("[rollout]\nweight = 0", "rollout.weight", "greater than 0"),
        ("[rollout]\nsteps = [25, 5, 100]", "rollout", "steps must rise"),
        ("[rollout]\nsteps = [5, 25]", "rollout", "must end with 100"),
        ("[rollout]\nsteps = [100]", "rollout", "one below 100"),
        ('[rollout]\nmode = "canary"\nweight = 100', "rollout", "weight must be below 100"),
        ('[rollout]\nheader = "a b"', "rollout.header", "pattern"),
        ("[rollout]\nmin_request = 5", "rollout.min_request", "did you mean min_requests?"),
        ('[rollout]\nmode = "canary"\n[serve]\nberths = 1', "serve.berths", "at least 2"),
        ('[rollout]\nmode = "canary"\n[serve]\nberths = 2', "serve.berths", "at least 3"),
    ],
)
def test_what_is_wrong_has_its_key_and_a_sentence(tmp_path: Path, text: str, key: str, said: str) -> None:
    """With these the daemon ends with status 78."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert caught.value.key == key
    assert said in caught.value.sentence
