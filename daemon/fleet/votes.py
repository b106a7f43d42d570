"""What the replicas' answers come to: who is waited for, who is lost, and whose device is doubted.

One refusal is a veto. But one bad card would refuse every adapter for ever, so where at least three have answered, and
fewer than half of them refuse what all others found fit, those few try it once more. Whoever refuses it again has a
device that differs from all others', and is replaced. The candidate stays refused: that device may be right about it.
Nobody is replaced because of the same bytes twice, or an adapter that is just bearable would cost one after the other.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from hotswapd.daemon.engines.protocol import Answer, NoRoom, Part
from hotswapd.daemon.errors import ErrorCode, FleetCode
from hotswapd.daemon.ledger.reasons import Reason
from hotswapd.swap.codes import GateCode
from hotswapd.swap.gates.spec import Outcome, Verdict

from .limits import Limits
from .orders import Report, Trial
from .roll import Member, Roll

_COMPARED = 3
"""Answers that make a majority."""
_OWN = frozenset({GateCode.DATASET_WORSE, GateCode.VERIFY_TIMEOUT, Reason.JUDGE_REFUSED, Reason.JUDGE_TIMEOUT})
"""Refusals in which others need not agree: their gates run on one replica only, or time decides."""


class Votes:
    """Counts what the roll's replicas answer. Every method is for one thread, or with one lock."""

    def __init__(self, roll: Roll, limits: Limits, clock: Callable[[], float]) -> None:
        """Doubt nobody yet."""
        self._roll = roll
        self._patience = limits.patience
        self._clock = clock
        self._blamed: dict[str, str] = {}
        """By digest, what was said of the replicas that were replaced because of it."""

    def ballot(self, trial: Trial, since: float) -> Sequence[Part] | None:
        """Return each replica's answer on a trial that was asked for at `since`; None while it is worth waiting.

        Who has not answered within the patience is lost, unless nobody has: then it is not the replicas' fault.
        Raises NoRoom then, or if one found no berth. A refusal is final unless others may show that it is odd.
        """
        parts: list[Part] = []
        late: list[Member] = []
        for member in self._roll.serving():
            found = member.report.found.get(trial.key)
            if found is None or not found.settles(trial, member.name):
                late.append(member)
                continue
            parts.append(replace(found.part, member=member.name))
        if any(part.answer == Answer.REFUSED for part in parts):
            soon = late and self._clock() - since < self._patience
            return None if soon and self._may_be_odd(trial, parts, len(parts) + len(late)) else parts
        full = [one for one in late if _is_full(one, trial.key)]
        return self._weighed(parts, late, full, since)

    def _weighed(self, parts: list[Part], late: list[Member], full: list[Member], since: float) -> list[Part] | None:
        now = self._clock()
        waits = [one for one in late if now - max(since, one.since) < self._patience]
        if waits or (not parts and now - since < self._patience):
            return None
        if full:
            raise NoRoom(f"{full[0].name} has no free berth")
        if not parts:
            raise NoRoom(f"no replica has answered within {self._patience:g} s; see fleet.patience")
        for one in late:
            why = f"it has not answered within {self._patience:g} s"
            self._roll.lose(one.name, FleetCode.REPLICA_LATE, why)
            parts.append(Part(one.name, Answer.LOST, "", why))
        return parts

    # Whose device is doubted

    def odd(self, trial: Trial, parts: Sequence[Part]) -> tuple[str, ...]:
        """Name the few that refuse what all others found fit; nobody where that says nothing of their devices."""
        fit = sum(part.answer == Answer.FIT for part in parts)
        refusing = tuple(part.member for part in parts if part.answer == Answer.REFUSED)
        if not refusing or fit + len(refusing) < len(parts) or not self._may_be_odd(trial, parts, len(parts)):
            return ()
        return refusing

    def _may_be_odd(self, trial: Trial, parts: Sequence[Part], of: int) -> bool:
        refusals = [part for part in parts if part.answer == Answer.REFUSED]
        if trial.digest in self._blamed or any(part.code in _OWN for part in refusals):
            return False
        return of >= _COMPARED and 2 * len(refusals) < of

    def blame(self, trial: Trial, parts: Sequence[Part], odd: Sequence[str]) -> None:
        """Take the odd ones out of rotation for good."""
        said = [f"{part.member} ({part.sentence})" for part in parts if part.member in odd]
        others = len(parts) - len(odd)
        sentence = f"refused twice by {', '.join(said)} and found fit by all {others} others: look at the device"
        for name in odd:
            self._roll.lose(name, FleetCode.REPLICA_ODD, f"{trial.digest[:12]} was {sentence}")
        self._blamed[trial.digest] = f"{sentence}, and try the adapter without it by `hotswapd submit --again`"

    def blamed(self, digest: str) -> str:
        """Return what was said of the replicas that were replaced because of these bytes; empty if none was."""
        return self._blamed.get(digest, "")

    # What operators are shown

    def judge(self) -> str:
        """Name who runs the gates of which one answer is enough; empty if there are not several in rotation."""
        names = sorted(one.name for one in self._roll.serving())
        return names[0] if len(names) > 1 else ""

    def verdicts(self, key: str, judge: str) -> list[tuple[str, Verdict]]:
        """Return the verdicts of the gates, with the replica's name: all of the judge's, and what others refuse."""
        said = [(one.name, found) for one in self._roll.serving() if (found := one.report.found.get(key))]
        said.sort(key=lambda one: one[0] != judge)
        first = [(name, verdict) for name, found in said[:1] for verdict in found.verdicts]
        others = [(name, verdict) for name, found in said[1:] for verdict in found.verdicts]
        return first + [(name, verdict) for name, verdict in others if verdict.outcome == Outcome.FAILED]

    # What is open

    def have_opened(self, number: int, digest: str, ordered: tuple[int, int], since: float) -> bool:
        """Tell whether every replica in rotation answers for this generation, by orders at least as new.

        It was ordered at `since`. Who does not within the patience is lost, unless nobody does: that raises NoRoom.
        """
        now, serving = self._clock(), list(self._roll.serving())
        late = [one for one in serving if not _answers(one.report, number, digest, ordered)]
        if any(now - max(since, one.since) < self._patience for one in late):
            return False
        if len(late) == len(serving):
            if now - since < self._patience:
                return False
            raise NoRoom(f"no replica in rotation answers for generation {number}")
        for one in late:
            why = f"it has not opened generation {number} within {self._patience:g} s"
            self._roll.lose(one.name, FleetCode.REPLICA_LATE, why)
        return True


def _answers(report: Report, number: int, digest: str, ordered: tuple[int, int]) -> bool:
    return report.answering.get(number) == digest and report.age >= ordered


def _is_full(member: Member, key: str) -> bool:
    found = member.report.found.get(key)
    return found is not None and found.part.code == ErrorCode.NO_BERTH
