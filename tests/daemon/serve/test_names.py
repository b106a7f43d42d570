"""Names of models: the base, a generation of it, the canary."""

from pathlib import Path

import pytest

from hotswapd.daemon.serve.names import Beside, Names, NoSuchModel, Which, names_of

M = Names(("m", "second"), ("/models/m",))


@pytest.mark.parametrize(
    ("asked", "generation"),
    [
        ("m", None),
        ("m@g0", 0),
        ("m@g17", 17),
        ("m@canary", Beside.CANARY),
        ("m@g007", 7),
        ("second", None),
        ("/models/m@g2", 2),
    ],
)
def test_a_name_stands_for_a_generation(asked: str, generation: int | Beside | None) -> None:
    assert M.which(asked) == Which(generation)


def test_a_second_name_is_as_good() -> None:
    assert (M.which("second"), M.which("/models/m@g2")) == (Which(), Which(2))


@pytest.mark.parametrize("asked", ["", "other", "m@", "m@g", "m@g-1", "m@gx", "m@g1e3", "m@g²", "M", "m@g1234567890"])
def test_any_other_name_is_refused(asked: str) -> None:
    """With the names that there are; a long one is cut."""
    with pytest.raises(NoSuchModel, match=r'"m", or "m@g<N>"') as caught:
        M.which(asked)
    assert (caught.value.status, caught.value.code) == (404, "model_not_found")


def test_a_long_name_is_cut_in_the_answer() -> None:
    with pytest.raises(NoSuchModel) as caught:
        M.which("x" * 10_000)
    assert len(caught.value.sentence) < 400


def test_every_listed_name_can_be_asked_for() -> None:
    names = names_of("org/m", ["first", "second"])
    listed = names.all([5, 3])
    assert listed == ["first", "second", "first@g5", "first@g3"]
    assert [names.which(name).generation for name in listed] == [None, None, 5, 3]


@pytest.mark.parametrize(
    ("base", "first"),
    [("org/m", "org/m"), ("/models/My-Model", "My-Model"), ("/models/m/", "m"), ("./m", "m"), ("gpt2", "gpt2")],
)
def test_a_base_is_called_by_its_hub_name_or_the_end_of_its_path(base: str, first: str) -> None:
    assert names_of(base).first == first


def test_a_folder_is_called_by_its_last_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert names_of("a/b").first == "b"


@pytest.mark.parametrize("asked", ["nice", "also", "/models/m", "m", "org/m"])
def test_every_name_of_the_base_is_answered(asked: str) -> None:
    """Those that are configured, the path as written, its last part, and what adapters call the base."""
    names = names_of("/models/m", ["nice", "also"], ["org/m"])
    assert names.which(asked) == Which()
    assert names.which(f"{asked}@g3") == Which(3)
    assert names.which(f"{asked}@canary") == Which(Beside.CANARY)
    assert names.first == "nice"


def test_a_channel_is_asked_for_by_its_name() -> None:
    """A name of the base is the base's, whatever channels there are."""
    channels = {"support", "m", "sales.v2"}.__contains__
    assert M.which("support", channels) == Which(None, "support")
    assert M.which("sales.v2@g7", channels) == Which(7, "sales.v2")
    assert M.which("support@canary", channels) == Which(Beside.CANARY, "support")
    assert M.which("m", channels) == Which()
    with pytest.raises(NoSuchModel):
        M.which("other", channels)


def test_channels_are_listed_behind_the_bases_names() -> None:
    assert M.all([3], ["default", "sales", "support"]) == ["m", "second", "m@g3", "sales", "support"]
