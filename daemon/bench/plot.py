"""The plot: pauses, the way from drop to live, serving while swapping, and how things grow."""

import re
from pathlib import Path
from typing import Any

from .process import STEPS

_GROWING = ("scale.folder.scan", "scale.s3.scan", "scale.ledger.history", "scale.ledger.known", "scale.ledger.open")


def draw(result: dict[str, Any], path: Path) -> None:
    """Write the figure; the file's ending says in which format. Needs matplotlib."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    series = {one["key"]: one for one in result["series"]}
    figure, axes = pyplot.subplots(2, 2, figsize=(11, 7.5))
    _pauses(axes[0][0], series)
    _live(axes[0][1], series)
    _serving(axes[1][0], series)
    _growth(axes[1][1], series)
    machine = result["machine"]
    figure.suptitle(f"{result['preset']['name']} on {machine['gpu'] or machine['cpu']}, {machine['cores']} cores")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    pyplot.close(figure)


def _pauses(axes: Any, series: dict[str, Any]) -> None:
    shown = [one for key, one in series.items() if re.fullmatch(r"pause\.(?!turn|verify)\w+", key)]
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


def _growth(axes: Any, series: dict[str, Any]) -> None:
    for name in _GROWING:
        points = sorted((int(key.rsplit(".", 1)[1]), one) for key, one in series.items() if key.startswith(f"{name}."))
        if points:
            axes.plot([n for n, _ in points], [1e3 * one["median"] for _, one in points], marker="o", label=name[6:])
    axes.set(title="Growth", xlabel="adapters or rows", ylabel="ms", xscale="log", yscale="log")
    if axes.lines:
        axes.legend(fontsize="small")
