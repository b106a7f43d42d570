"""What the status page is told: pictures of real adapters, and times and reasons from a real ledger."""

from pathlib import Path

import pytest
from kits.lanes import adapter, bench
from safetensors.torch import load_file

from hotswapd.daemon.control.overview import overview
from hotswapd.daemon.ledger.generation import Generation
from hotswapd.daemon.ledger.ledger import Ledger
from hotswapd.daemon.ledger.rows import Find
from hotswapd.daemon.ledger.states import State
from hotswapd.daemon.report.picture import Pictures, draw


def test_a_picture_is_by_layer_and_kind_in_the_models_order():
    """Several slots of one kind in one layer are joined; a layer without a kind has none, not zero."""
    norms = {"m.layers.0.a.q": 3.0, "m.layers.0.b.q": 4.0, "m.layers.0.v": 1.0, "m.layers.10.q": 2.0, "head": 5.0}
    picture = draw(7, "ab", norms)
    assert (picture.layers, picture.kinds) == (["0", "10", ""], ["q", "v", "head"])
    assert picture.norms == [[5.0, 1.0, None], [2.0, None, None], [None, None, 5.0]]


def test_pictures_are_of_what_is_live_and_was_live_and_outlive_the_process(tmp_path: Path):
    """Norms are those of the products that PEFT would make; a rollback shows the two the other way round."""
    ledger = Ledger(tmp_path / "ledger.sqlite")
    with bench() as made:
        layout, pictures = made.resident.arena.layout, Pictures(ledger)
        one = made.swap(0)
        pictures.went_live(one, layout)
        two = made.swap(1)
        pictures.went_live(two, layout)
        assert [one["generation"] for one in pictures.shown] == [2, 1]
        shown = pictures.shown[0]
        tensors = load_file(adapter(1) / "adapter_model.safetensors")
        name = "base_model.model.model.layers.1.self_attn.q_proj.lora_{}.weight"
        expected = (tensors[name.format("B")] @ tensors[name.format("A")]).norm().item() * 32 / 4
        at = shown["norms"][shown["layers"].index("1")][shown["kinds"].index("q_proj")]
        assert at == pytest.approx(expected, rel=1e-3)
    again = Pictures(ledger)
    assert again.shown == pictures.shown
    ledger.close()


def test_lives_and_refusals_are_those_of_the_ledger(tmp_path: Path):
    """Newest first, each time that something went live, with where the seconds went; nobody is named."""
    ledger = Ledger(tmp_path / "ledger.sqlite")
    good, bad = ledger.add([Find("a", f"file:///{name}", "r", 0.0, State.VERIFIED) for name in ("good", "bad")])
    verify = ({"gate": "probe", "outcome": "passed", "code": None, "sentence": None, "numbers": {"finite": 1.0}},)
    good = ledger.amend(good, verify=verify)
    with ledger.going_live(good, Generation(1, good.uri, "r", "ab", 0.0, good.swap_id)):
        pass
    ledger.move(bad, State.REJECTED, "non_finite", "a tensor holds NaN")
    ledger.actions.note("pause", "", "done", (1, 2, 3))
    answer = overview({"ready": True}, ledger, [])
    (life,) = answer["lives"]
    assert (life["generation"], life["uri"], life["source"]) == (1, "file:///good", "a")
    assert life["total"] >= 0
    assert life["verify"] == list(verify)
    (refusal,) = answer["refusals"]
    assert (refusal["reason"], refusal["detail"]) == ("non_finite", "a tensor holds NaN")
    (action,) = answer["actions"]
    assert set(action) == {"at", "action", "argument", "result"}
    ledger.close()
