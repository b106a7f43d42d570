"""Why an adapter is refused, as a table."""

from collections.abc import Sequence

from rich.console import RenderableType

from hotswapd.swap.errors import Misfit

from .words import plain, table_of


def misfit_table(misfits: Sequence[Misfit]) -> RenderableType:
    """Lay out why an adapter is refused; a reason that many tensors share is one row."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for misfit in misfits:
        alike.setdefault((misfit.code, misfit.wanted, misfit.got, misfit.remedy), []).append(misfit.place)
    table = table_of("reason", "place", "wanted", "got", "what to do")
    for (code, wanted, got, remedy), places in alike.items():
        place = places[0] if len(places) == 1 else f"{places[0]} and {len(places) - 1} more"
        table.add_row(*(plain(text) for text in (code, place, wanted, got, remedy)))
    return table
