"""How figures are written."""

import pytest

from hotswapd.daemon.bench.table import figure


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0123, "s", "12.3 ms"),
        (2e-6, "s", "2 µs"),
        (3.0, "s", "3 s"),
        (2.5e6, "bytes", "2.5 MB"),
        (1.25, "x", "1.25 x"),
    ],
)
def test_a_figure_has_the_unit_that_reads_best(value: float, unit: str, text: str) -> None:
    """Three digits, and the unit always with them."""
    assert figure(value, unit) == text
