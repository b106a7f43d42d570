"""The plot: a panel each for pauses, the way to live, serving, many channels, and growth, if they were measured."""

import re
from pathlib import Path
from typing import Any

from .process import STEPS

_GROWING = ("scale.folder.scan", "scale.s3.scan", "scale.ledger.history", "scale.ledger.known", "scale.ledger.open")
_REMEMBERED = ("scale.folder.memory", "scale.s3.memory")


def draw(result: dict[str, Any], path: Path) -> None:
    """Write the figure; the file's extension gives the format. Needs matplotlib."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    series = {one["key"]: one for one in result["series"]}
    panels = [panel for begin, panel in _PANELS if any(re.match(begin, key) for key in series)]
    columns = min(2, len(panels)) or 1
    rows = max(1, -(-len(panels) // columns))
    figure, axes = pyplot.subplots(rows, columns, figsize=(5.5 * columns, 3.75 * rows), squeeze=False)
    for place, panel in zip(axes.flat, panels, strict=False):
        panel(place, series)
    for place in list(axes.flat)[len(panels) :]:
        place.set_axis_off()
    machine = result["machine"]
    figure.suptitle(f"{result['preset']['name']} on {machine['gpu'] or machine['cpu']}, {machine['cores']} cores")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    pyplot.close(figure)


def _pauses(axes: Any, series: dict[str, Any]) -> None:
    shown = [one for key, one in series.items() if re.fullmatch(r"pause\.(?!step|verify)\w+", key)]
    names = [one["key"].removeprefix("pause.") for one in shown]
    medians = [1e3 * one["median"] for one in shown]
    below = [1e3 * (one["median"] - one["low"]) for one in shown]
    above = [1e3 * (one["high"] - one["median"]) for one in shown]
    axes.barh(names, medians, xerr=[below, above])
    axes.set(title="No step can run for (median, 10th to 90th percentile)", xlabel="ms", xscale="log")
    axes.invert_yaxis()


def _live(axes: Any, series: dict[str, Any]) -> None:
    totals = [one for key, one in series.items() if key.startswith("live.total.")]
    reached = [0.0] * len(totals)
    names = [f"{one['facts']['file_bytes'] / 1e6:.3g} MB" for one in totals]
    for step in STEPS:
        parts = [series[one["key"].replace("total", step)]["median"] for one in totals]
        axes.barh(names, parts, left=reached, label=step)
        reached = [a + b for a, b in zip(reached, parts, strict=True)]
    axes.set(title="From the rename to live (medians)", xlabel="s")
    if totals:
        axes.legend(fontsize="small")


def _serving(axes: Any, series: dict[str, Any]) -> None:
    shown = [one for key, one in series.items() if re.fullmatch(r"serving\.\w[^/]*\.tokens", key)]
    names = [one["key"].split(".", 1)[1].removesuffix(".tokens") for one in shown]
    axes.barh(names, [one["median"] for one in shown])
    axes.set(title="Serving while swapping (median)", xlabel="tokens/s")
    axes.invert_yaxis()


def _channels(axes: Any, series: dict[str, Any]) -> None:
    shown = [one for key, one in series.items() if re.fullmatch(r"channels\.zipf\.\w+\.requests", key)]
    axes.barh([one["key"].split(".")[2] for one in shown], [one["median"] for one in shown])
    count = shown[0]["facts"]["channels"]
    axes.set(title=f"{count} channels by Zipf's law (median)", xlabel="requests/s")
    axes.invert_yaxis()


def _first(axes: Any, series: dict[str, Any]) -> None:
    shown = [one for key, one in series.items() if re.fullmatch(r"channels\.zipf\.\w+\.first", key)]
    names = [one["key"].split(".")[2] for one in shown]
    axes.boxplot([one["samples"] for one in shown], orientation="horizontal", whis=(10, 90), showfliers=False)
    axes.set_yticks(range(1, len(names) + 1), names)
    axes.set(title="Time to the first token (10th to 90th percentile)", xlabel="s", xscale="log")
    axes.invert_yaxis()


def _growth(axes: Any, series: dict[str, Any]) -> None:
    _curves(axes, series, _GROWING, 1e3)
    axes.set(title="Growth", xlabel="adapters or rows", ylabel="ms", xscale="log", yscale="log")


def _memory(axes: Any, series: dict[str, Any]) -> None:
    _curves(axes, series, _REMEMBERED, 1e-6)
    axes.set(title="Memory that a source's adapters take", xlabel="adapters", ylabel="MB", xscale="log", yscale="log")


def _curves(axes: Any, series: dict[str, Any], names: tuple[str, ...], scale: float) -> None:
    for name in names:
        points = sorted((int(key.rsplit(".", 1)[1]), one) for key, one in series.items() if key.startswith(f"{name}."))
        if points:
            axes.plot([n for n, _ in points], [scale * one["median"] for _, one in points], marker="o", label=name[6:])
    if axes.lines:
        axes.legend(fontsize="small")


_PANELS = (
    (r"pause\.", _pauses),
    (r"live\.", _live),
    (r"serving\.", _serving),
    (r"channels\.zipf\.", _channels),
    (r"channels\.zipf\.", _first),
    (r"scale\.\w+\.(scan|history)", _growth),
    (r"scale\.\w+\.memory", _memory),
)
