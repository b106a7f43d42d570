"""What a person sees of a refusal."""

from kits.pages import text

from hotswapd.daemon.terminal.misfits import misfit_table
from hotswapd.swap.codes import ConfigCode, TensorCode
from hotswapd.swap.errors import Misfit


def test_misfits_that_are_alike_are_one_row() -> None:
    same = [Misfit(TensorCode.RANK_TOO_HIGH, f"layer.{n}", "8", "16", "retrain") for n in range(3)]
    page = text(misfit_table([*same, Misfit(ConfigCode.DORA, "use_dora", "false", "true", "plain LoRA")]))
    assert "layer.0 and 2 more" in page
    assert page.count("rank_too_high") == 1
    assert "plain LoRA" in page
