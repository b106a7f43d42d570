"""What happens in the demo, in order: good adapters, bad ones, a rollback by hand, and a kill -9."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hotswapd.daemon.control.client import Refused

from .asking import Answer, Asker, Visitors
from .board import Board, Claim, Scene
from .process import DemoDaemon, DemoFailed
from .spoil import DAMAGES, Damage, spoiled

_LONGEST_REASON = 200


@dataclass(frozen=True, slots=True)
class Part:
    """An adapter that is dropped, what it was trained for, and a test for whether an answer shows that."""

    adapter: Path
    manner: str
    shows: Callable[[str], bool]

    @property
    def name(self) -> str:
        """The name of its directory."""
        return self.adapter.name


@dataclass(slots=True)
class Story:
    """One run of the demo. `claims` has the promises, and which of them held."""

    daemon: DemoDaemon
    board: Board
    asker: Asker
    parts: tuple[Part, ...]
    spoilt: Path
    claims: list[Claim] = field(default_factory=list)
    _right: dict[int, str] = field(default_factory=dict)
    _live: Answer | None = None

    def tell(self) -> None:
        """Run the whole story. Raises DemoFailed, or what openai raises, if it cannot go on."""
        self._begin()
        visitors = Visitors(self.asker)
        with visitors:
            for part in self.parts:
                self._bring(part)
            for damage in DAMAGES:
                self._bring_bad(damage)
            self._go_back(1)
            self.board.working("waiting for the answers that are under way")
        self._judge_traffic(visitors)
        self._kill_and_restart()
        self.board.working("stopping the daemon")
        self._judge("it stops when it is asked to", self.daemon.stop() == 0)

    def _begin(self) -> None:
        seconds = self.daemon.start(self.board.working)
        self.board.working("asking the base model")
        answer = self.asker.ask()
        self._remember(answer)
        self.board.show(Scene("the base model", answer.generation, _line(answer.text), seconds))

    def _bring(self, part: Part) -> None:
        """Drop a good adapter, and watch it answer."""
        self.board.working(f"dropping {part.name} into the folder: an adapter whose answers {part.manner}")
        before = set(self._right.values())
        row, seconds = self.daemon.drop_and_wait(part.adapter)
        answer = self.asker.ask()
        taken = row["state"] == "LIVE" and answer.generation == row["generation"]
        self._remember(answer)
        pause = self.daemon.row(row["swap_id"])["seconds"].get("pause")
        refused = "" if taken else _why(row)
        self.board.show(Scene(f"{part.name} dropped", answer.generation, _line(answer.text), seconds, pause, refused))
        changed = answer.text not in before and part.shows(answer.text)
        self._judge(f"{part.name} is live, and its answers {part.manner}", taken and changed, answer)

    def _bring_bad(self, damage: Damage) -> None:
        """Drop a spoilt adapter, and check that nothing changes."""
        self.board.working(f"dropping {damage.name}: {damage.story}")
        row, _ = self.daemon.drop_and_wait(spoiled(self.parts[0].adapter, damage, self.spoilt), damage.code)
        answer = self.asker.ask()
        why = _why(row)
        self.board.show(Scene(f"{damage.name} dropped", answer.generation, _line(answer.text), refused=why))
        held = damage.code in why and row["state"] != "LIVE" and answer == self._live
        self._judge(f"{damage.name} is not taken ({damage.code}), and the answer is the same as before", held, answer)

    def _go_back(self, generation: int) -> None:
        """Roll back by hand, as an operator does who does not like the newest adapter."""
        self.board.working(f"hotswapd rollback {generation}")
        try:
            self.daemon.client.post("/rollback", {"generation": generation})
        except Refused as error:
            raise DemoFailed(f"the rollback was refused: {error}") from None
        answer = self.asker.ask()
        self.board.show(Scene(f"rollback {generation}", answer.generation, _line(answer.text)))
        held = answer == Answer(generation, self._right.get(generation, ""))
        self._live = answer
        self._judge(f"after a rollback, generation {generation} answers again, word for word", held, answer)

    def _judge_traffic(self, visitors: Visitors) -> None:
        wrong = visitors.wrong(self._right)
        held = bool(visitors.answers) and not visitors.failures and not wrong
        seen = f"{len(visitors.answers)} answers, {len(visitors.failures)} failed, {len(wrong)} mixed"
        text = f"{visitors.count} clients kept asking: none failed, and each answer comes from one generation alone"
        self._conclude(Claim(text, held, seen))
        resident = self.daemon.status()["resident"]
        if resident["compiled"]:  # without compilation, as on a CPU, there is nothing to promise
            self._judge("nothing was recompiled", resident["recompiles"] == 0)

    def _kill_and_restart(self) -> None:
        self.board.working("kill -9")
        self.daemon.kill()
        seconds = self.daemon.start(self.board.working)
        answer = self.asker.ask()
        self.board.show(Scene("kill -9, restart", answer.generation, _line(answer.text), seconds))
        self._judge("killed and started again, it gives the same answer as before", answer == self._live, answer)

    def _remember(self, answer: Answer) -> None:
        self._live = answer
        self._right[answer.generation] = answer.text

    def _judge(self, text: str, held: bool, answer: Answer | None = None) -> None:
        """Conclude a promise; if it did not hold, with the answer that shows it."""
        seen = f"generation {answer.generation} answers: {_line(answer.text)}" if answer and not held else ""
        self._conclude(Claim(text, held, seen))

    def _conclude(self, claim: Claim) -> None:
        self.claims.append(claim)
        self.board.judge(claim)


def _why(row: dict[str, Any]) -> str:
    why = ": ".join(str(row[key]) for key in ("state", "reason", "detail") if row[key])
    return why if len(why) <= _LONGEST_REASON else f"{why[:_LONGEST_REASON].rpartition(' ')[0]} …"


def _line(text: str) -> str:
    return " ".join(text.split())
