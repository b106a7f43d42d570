"""A soak's plot: memory, threads and descriptors over time, and swaps and requests with them."""

from pathlib import Path
from typing import Any


def draw(record: dict[str, Any], path: Path) -> None:
    """Write the figure; the file's ending says in which format."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "hotswapd"
    from matplotlib import pyplot

    samples = record["samples"]
    minutes = [one["at"] / 60 for one in samples]
    figure, (memory, counts, work) = pyplot.subplots(3, 1, figsize=(10, 9), sharex=True)
    for name in ("rss", "pss", "anonymous"):
        memory.plot(minutes, [one[name] / 1e6 for one in samples], label=name)
    grown = record["growth"]["anonymous_bytes_per_hour"] / 1e6
    memory.set(title=f"Memory; after the first third the anonymous part grows by {grown:.2f} MB an hour", ylabel="MB")
    for name in ("threads", "files", "sockets"):
        counts.plot(minutes, [one[name] for one in samples], label=name)
    counts.set(title="Threads and descriptors", ylim=(0, None))
    for name in ("swaps", "requests"):
        work.plot(minutes, [one[name] for one in samples], label=name)
    work.set(title="Done since the begin", xlabel="minutes", yscale="symlog")
    for axes in (memory, counts, work):
        axes.legend(fontsize="small", loc="lower right")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    pyplot.close(figure)
