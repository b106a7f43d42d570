"""Names of models: the base, a generation of it, the canary."""

import pytest

from hotswapd.daemon.serve.names import Beside, NoSuchModel, served_names, which_generation


@pytest.mark.parametrize(
    ("asked", "generation"), [("m", None), ("m@g0", 0), ("m@g17", 17), ("m@canary", Beside.CANARY), ("m@g007", 7)]
)
def test_a_name_stands_for_a_generation(asked: str, generation: int | Beside | None) -> None:
    assert which_generation(asked, "m") == generation


@pytest.mark.parametrize("asked", ["", "other", "m@", "m@g", "m@g-1", "m@gx", "m@g1e3", "m@g²", "M", "m@g1234567890"])
def test_any_other_name_is_refused(asked: str) -> None:
    """With the names that there are; a long one is cut."""
    with pytest.raises(NoSuchModel, match=r'"m", or "m@g<N>"') as caught:
        which_generation(asked, "m")
    assert (caught.value.status, caught.value.code) == (404, "model_not_found")


def test_a_long_name_is_cut_in_the_answer() -> None:
    with pytest.raises(NoSuchModel) as caught:
        which_generation("x" * 10_000, "m")
    assert len(caught.value.sentence) < 400


def test_every_listed_name_can_be_asked_for() -> None:
    names = served_names("org/m", [5, 3])
    assert names == ["org/m", "org/m@g5", "org/m@g3"]
    assert [which_generation(name, "org/m") for name in names] == [None, 5, 3]
