"""Every class of bad adapter through one real daemon and through plain PEFT: a table in build/corpus, 1 if one fails.

`tables.md` has a row for each class: what it ended in, what that cost, and what `peft.hotswap_adapter` does with it.
"""

import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from kits.room import home, make_room
from proof.corpus import GOOD, Bad, everything
from proof.corpus_bench import GROWTH, LIVE, SOURCE, Bench, Seen, goes_on, open_bench, take_away, without_override
from proof.corpus_racing import RACES, Race
from proof.corpus_remote import REMOTE, Cloud, Remote, clouds

from runs.stock_hotswap import Stock

OUT = Path(__file__).parents[2] / "build" / "corpus"
SECONDS = 5.0
"""What each class is to stay below, here by the clock: on a crowded machine the program may fail where tests do not."""
Class = Bad | Race | Remote
NO_STOCK = "–"


def main() -> int:
    groups: dict[str, Sequence[Class]] = {**everything(), "racing": RACES, "remote": REMOTE}
    with tempfile.TemporaryDirectory(prefix="hotswapd-corpus-") as name:
        seen, well = _through_the_daemon(Path(name))
        stock = _through_peft(Path(name))
    wrong = [one.name for group in groups.values() for one in group if not _holds(one, seen[one.name])]
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "tables.md").write_text("\n".join(_page(groups, seen, stock)) + "\n")
    print(*_summary(seen, stock), sep="\n")
    print(f"the daemon goes on: {well}; not as they must: {wrong or 'none'}")
    return 0 if well and not wrong else 1


def _through_the_daemon(root: Path) -> tuple[dict[str, Seen], bool]:
    with make_room(root / "room") as room, clouds(root) as cloud:
        room.configure(source="\n[[source]]\n".join([SOURCE, *map(cloud.source, REMOTE)]), model='dtype = "bfloat16"')
        bench = open_bench(room)
        _meet_all(bench, cloud)
        return bench.seen, goes_on(bench)


def _meet_all(bench: Bench, cloud: Cloud) -> None:
    for bad in (bad for group in everything().values() for bad in group):
        bench.meet(bad)
    for remote in REMOTE:
        bench.meet_remote(cloud, remote)
    for race in RACES:
        bench.meet_race(race)


def _through_peft(root: Path) -> dict[str, str]:
    """Ask plain PEFT about every class that is a folder."""
    said = {}
    with Stock(home() / "base", home() / LIVE, without_override()) as stock:
        for bad in (bad for group in everything().values() for bad in group):
            place = root / "stock" / bad.name
            shutil.copytree(home() / GOOD, place)
            bad.spoil(place)
            said[bad.name] = stock.ask(place)
            take_away(place)
    return said


def _holds(one: Class, seen: Seen) -> bool:
    unchanged = seen.same_answer and seen.same_berth
    return (seen.state, seen.code) == (one.state, one.code) and unchanged and _cheap(seen)


def _cheap(seen: Seen) -> bool:
    return seen.seconds < SECONDS and seen.growth < GROWTH


def _page(groups: dict[str, Sequence[Class]], seen: dict[str, Seen], stock: dict[str, str]) -> Iterator[str]:
    yield from _summary(seen, stock)
    for name, classes in groups.items():
        yield f"\n## {name.capitalize()}: {len(classes)}\n"
        yield "| class | ends | code | s | MiB | plain `hotswap_adapter` |"
        yield "| --- | --- | --- | --- | --- | --- |"
        for one in classes:
            it = seen[one.name]
            cost = f"{it.seconds:.2f} | {it.growth / (1 << 20):.1f}"
            yield f"| {one.name} | {it.state} | `{it.code}` | {cost} | {stock.get(one.name, NO_STOCK)} |"


def _summary(seen: dict[str, Seen], stock: dict[str, str]) -> Iterator[str]:
    slowest = max(seen.items(), key=lambda item: item[1].seconds)
    largest = max(seen.items(), key=lambda item: item[1].growth)
    yield f"- classes: {len(seen)}"
    yield f"- slowest: {slowest[0]}, {slowest[1].seconds:.2f} s; of a processor {slowest[1].cpu:.2f} s"
    yield f"- most memory: {largest[0]}, {largest[1].growth / (1 << 20):.1f} MiB"
    yield "- answer and live berth the same: " + str(sum(it.same_answer and it.same_berth for it in seen.values()))
    for said, count in Counter(_kind(said) for said in stock.values()).most_common():
        yield f"- plain PEFT, {count}: {said}"


def _kind(said: str) -> str:
    """Join the errors that differ by their name only."""
    name, comma, rest = said.partition(", ")
    if not comma or name.startswith("hangs"):
        return said
    return "an error, nothing changed" if rest == "nothing changed" else "an error, some tensors changed"


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
