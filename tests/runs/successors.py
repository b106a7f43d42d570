"""What the replay gate says to successors and spoilt copies of the demo's pirate: a line for each, 1 if one is wrong.

``python -m runs.successors OUT`` trains what is not in OUT yet, by the recipes of kits/lessons.py: minutes each. Wrong
is a successor that is refused, or a spoilt one that is taken though nothing is undecided. Those that change their
answers on purpose are only measured.
"""

import json
import math
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from kits.lessons import CHANGED_DEMO, LIVE_DEMO, QUESTIONS, RETRAINED_DEMO, Recipe, prompt_of, train_pirate
from kits.replays import sampled, staged_only
from kits.residents import opened
from kits.successors import SPOILT, SUCCESSORS, write

from hotswapd.daemon.demo.model import BASE_NAME, cache_directory, unpacked_model
from hotswapd.swap.berths.image import Image
from hotswapd.swap.gates.reading import score_each
from hotswapd.swap.gates.reading import write as answered
from hotswapd.swap.gates.replay import Losses, replay_verdict
from hotswapd.swap.gates.spec import Limits, Outcome, Replay, Replayed, Verdict
from hotswapd.swap.gates.turns import GateTurns, Surroundings
from hotswapd.swap.resident.resident import Resident

ADAPTERS = LIVE_DEMO.parent
LENGTH = 40
"""Tokens of an answer, at most."""
TABLE = Replay("refuse")


class Judge:
    """The demo's model with its pirate live, and what that has answered; live and base read their answers once."""

    def __init__(self, resident: Resident) -> None:
        self._resident = resident
        self._ends = (int(resident.tokenizer.eos_token_id),)
        self._prompts = [prompt_of(resident.tokenizer, question) for question in QUESTIONS]
        with staged_only(resident, LIVE_DEMO) as live:
            self._sample: list[Replayed] = sampled(resident, live, self._prompts, LENGTH, self._ends)
            self._live = self._losses(live)
        self._base = self._losses(resident.base_image)

    def verdict(self, adapter: Path) -> tuple[Verdict, str]:
        """Judge a candidate; return also what it answers to the first question."""
        with staged_only(self._resident, adapter) as image:
            now = self._losses(image)
            said = list(answered(self._turns(), image, self._prompts[0], LENGTH, self._ends))
        rows = zip(now, self._live, self._base, self._sample, strict=True)
        verdict = replay_verdict([Losses(one, live, base, each.client) for one, live, base, each in rows], TABLE)
        return verdict, str(self._resident.tokenizer.decode(said))

    def _losses(self, image: Image) -> list[float]:
        scored = score_each(self._turns(), image, [one.example for one in self._sample])
        return [total / count for total, count in scored]

    def _turns(self) -> GateTurns:
        return GateTurns(self._resident, Limits(), Surroundings())


@dataclass(frozen=True, slots=True)
class Candidate:
    """One of the list: what it is, how it is made in a folder, and what the gate may not say of it."""

    name: str
    kind: str
    make: Callable[[Path], Path]

    def wrong(self, verdict: Verdict) -> bool:
        refused = verdict.outcome == Outcome.FAILED
        return (refused and self.kind == "successor") or (
            self.kind == "spoilt" and not refused and verdict.code != "replay_undecided"
        )


def candidates(base: Path) -> Iterator[Candidate]:
    """Return those that are made from the pirate's files first: the others take minutes of training."""
    made = {name: ("successor", change) for name, change in SUCCESSORS.items()}
    made |= {name: ("spoilt", change) for name, change in SPOILT.items()}
    for name, (kind, change) in made.items():
        yield Candidate(name, kind, partial(write, change, LIVE_DEMO, ADAPTERS / "json"))
    for name in ("json", "german"):
        yield Candidate(f"another task: {name}", "other", partial(_shipped, name))
    trained: Mapping[str, Mapping[str, Recipe]] = {"successor": RETRAINED_DEMO, "changed": CHANGED_DEMO}
    for kind, recipes in trained.items():
        for name, recipe in recipes.items():
            yield Candidate(name, kind, partial(train_pirate, base, recipe))


def _shipped(name: str, _: Path) -> Path:
    return ADAPTERS / name


def main(out: Path) -> int:
    base = unpacked_model(cache_directory(os.environ))
    wrong, figures = [], {}
    with opened(base, base_models=(BASE_NAME, "*")) as resident:
        judge = Judge(resident)
        for one in candidates(base):
            place = out / re.sub(r"\W+", "-", one.name)
            verdict, said = judge.verdict(place if place.is_dir() else one.make(place))
            score = verdict.numbers.get("score", math.nan)
            print(f"{one.kind:9} {one.name:32} {score:6.2f} {verdict.outcome} {verdict.code} {said!r}", flush=True)
            figures[one.name] = {"kind": one.kind, "code": verdict.code, "said": said, **verdict.numbers}
            wrong += [one.name] if one.wrong(verdict) else []
            (out / "figures.json").write_text(json.dumps(figures, indent=1) + "\n")
    print(f"{len(figures)} candidates, wrong: {wrong or 'none'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
    raise SystemExit(main(Path(sys.argv[1])))
