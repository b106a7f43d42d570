"""Pictures of real adapters: how much each changes each layer, and what a restart leaves of them."""

from pathlib import Path

import pytest
from kits.rows import adapter, bench
from safetensors.torch import load_file

from hotswapd.daemon.ledger.ledger import Ledger
from hotswapd.daemon.report.picture import Pictures, draw
from hotswapd.swap.berths.norms import update_norms


def test_a_picture_is_by_layer_and_kind() -> None:
    """Several slots of one kind in one layer are joined; a layer without a kind has none, not zero."""
    norms = {"m.layers.0.a.q": 3.0, "m.layers.0.b.q": 4.0, "m.layers.0.v": 1.0, "m.layers.10.q": 2.0, "head": 5.0}
    picture = draw(7, "ab", norms)
    assert (picture.layers, picture.kinds) == (["0", "10", ""], ["q", "v", "head"])
    assert picture.norms == [[5.0, 1.0, None], [2.0, None, None], [None, None, 5.0]]


def test_pictures_of_both_generations_outlive_the_process(tmp_path: Path) -> None:
    """Norms are those of the products that PEFT would make; a rollback shows the two the other way round."""
    ledger = Ledger(tmp_path / "ledger.sqlite")
    with bench() as made:
        layout, pictures = made.resident.layout, Pictures(ledger)
        one = made.swap(0)
        pictures.went_live(1, one.digest, lambda: update_norms(one, layout))
        two = made.swap(1)
        pictures.went_live(2, two.digest, lambda: update_norms(two, layout))
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
