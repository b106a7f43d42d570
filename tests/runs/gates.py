"""What the default gates say to adapters trained on bases of many seeds: a line for each, 1 if one is taken wrongly.

Wrong is a good adapter that is refused, or a bad one that tests/swap/gates/test_verifier.py wants refused and is not.
"""

import sys
import tempfile
from collections import Counter
from pathlib import Path

from kits.residents import opened
from kits.trained_home import good, train
from kits.training import CONTEXT

from hotswapd.swap.errors import RolledBack
from hotswapd.swap.gates.spec import Spec, Verdict
from hotswapd.swap.gates.turns import Surroundings
from hotswapd.swap.gates.verifier import Verifier
from hotswapd.swap.resident.resident import Resident

BAD = ("one-token", "shuffled-labels", "scaled-by-30", "slow-poison")


def main(count: int) -> int:
    wrong: Counter[str] = Counter()
    worst = 0.0
    for seed in range(1, count + 1):
        with tempfile.TemporaryDirectory() as name, opened_on(train(Path(name), 100 * seed)) as resident:
            rises = {path.name: rise(resident, path) for path in good(Path(name))}
            caught = {bad: rise(resident, Path(name) / bad) for bad in BAD}
        refused = [name for name, (code, _) in rises.items() if code]
        taken = [name for name, (code, _) in caught.items() if not code]
        wrong.update(refused=len(refused), taken=len(taken))
        worst = max(worst, *(by for _, by in rises.values()))
        most = max(by for _, by in rises.values())
        print(f"seed {seed}: good ones cost up to {most:.2f} nats, refused {refused or 'none'}; {caught}", flush=True)
    print(f"{count} bases, {count * len(rises)} good adapters, {count * len(BAD)} bad ones: {dict(wrong)}, {worst:.2f}")
    return 1 if wrong.total() else 0


def opened_on(home: Path):  # type: ignore[no-untyped-def]
    return opened(home / "base", base_models=("*",))


def rise(resident: Resident, adapter: Path) -> tuple[str, float]:
    """Try an adapter: the code that it is refused with, and by how many nats a token it is worse than its base."""
    verdicts: list[Verdict] = []
    image = resident.stage(resident.admit(adapter), adapter.name)
    code = ""
    try:
        Verifier(resident, Spec(), Surroundings(), context=CONTEXT, ends=()).run(image, verdicts.append, ())
    except RolledBack as error:
        code = error.code
    resident.drop(image)
    said = verdicts[-1].numbers
    return code, round(max(said[which] - said[f"base_{which}"] for which in ("loss", "late_loss")), 2)


if __name__ == "__main__":
    raise SystemExit(main(int(sys.argv[1])))
