"""Put tables of figures into a page: ``python -m hotswapd.daemon.bench.render PAGE NAME=FILE.json ...``.

Each NAME is in the page as a pair of comments, ``<!-- NAME -->`` and ``<!-- /NAME -->``; the text between them is
replaced by the tables of that file.
"""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .table import place, rows, verdicts

_GROUPS = {
    "pause": "Pause",
    "live": "From the drop to live",
    "staging": "Staging",
    "compiling": "Recompilation",
    "serving": "Serving while swapping",
    "beside": "Serving beside a swap, a gate, and staging",
    "watching": "Watching what is live",
    "rollback": "Rollback",
    "restart": "Restart to ready",
    "ab": "A/B",
    "mixing": "Several generations in one batch",
    "channels": "Many channels",
    "scale": "Scale",
    "instructions": "Instructions",
}


def tables(result: dict[str, Any]) -> str:
    """Return one run as Markdown: the machine, then a table for each group, then the goals."""
    when = datetime.fromtimestamp(result["began"], UTC).strftime("%Y-%m-%d %H:%M UTC")
    preset, machine = result["preset"], result["machine"]
    what = f"Preset {preset['name']}, {preset['dtype']} on {preset['device']}, {machine['torch_threads']} threads"
    lines = [f"{what}; {when}; load average at the start {machine['load']:.2f}; {result['seconds']:.0f} s in all.", ""]
    lines += [f"{place(result)}.", ""]
    for group, title in _GROUPS.items():
        lines += _table(title, [row for row in rows(result) if row[0].split(".")[0] == group])
    lines += [f"- {' '.join(line.split())}" for line in verdicts(result)]
    lines += [f"- skipped: {one}" for one in result["skipped"] + result["failed"]]
    return "\n".join(lines)


def _table(title: str, found: list[tuple[str, str, str, str, str]]) -> list[str]:
    if not found:
        return []
    head = [
        f"**{title}**",
        "",
        "| key | what | median | 10th to 90th percentile | n |",
        "| --- | --- | --- | --- | --- |",
    ]
    return [*head, *(f"| `{key}` | {' | '.join(more)} |" for key, *more in found), ""]


def put_in(page: str, name: str, text: str) -> str:
    """Replace the text between the comments. Raises ValueError if the page does not have them."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"the page has no {begin} ... {end}")
    return f"{before}{begin}\n{text}\n{end}{after}"


def main(arguments: list[str]) -> None:
    """Render every NAME=FILE into the page."""
    page = Path(arguments[0])
    text = page.read_text(encoding="utf-8")
    for one in arguments[1:]:
        name, _, file = one.partition("=")
        text = put_in(text, name, tables(json.loads(Path(file).read_text(encoding="utf-8"))))
    page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
