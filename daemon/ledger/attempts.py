"""Risky steps that are under way, and how often the process died in one."""

from enum import StrEnum

from .channel import DEFAULT
from .file import LedgerFile


class Attempt(StrEnum):
    """A kind of risky step; deaths of each kind are counted apart."""

    SWAP = "swap"
    """A candidate on its way to live."""
    BOOT = "boot"
    """What was live, on its way back after a start."""


SWAP, BOOT = Attempt.SWAP, Attempt.BOOT


class Attempts:
    """Deaths by digest and kind, in each channel apart. Every method is legal on any thread and raises LedgerDown."""

    def __init__(self, file: LedgerFile) -> None:
        self._file = file

    def begin(self, digest: str, kind: Attempt, stage: str, channel: str = DEFAULT) -> None:
        """Write, before a risky step, that it is under way; a process that dies in it leaves this behind."""
        with self._file.writing() as database:
            database.execute(
                "INSERT INTO attempts VALUES (?, ?, ?, ?, 1, 0)"
                " ON CONFLICT (channel, digest, kind) DO UPDATE SET stage = excluded.stage, under_way = 1",
                (channel, digest, kind.value, stage),
            )

    def end(self, digest: str, kind: Attempt, channel: str = DEFAULT, *, forget: bool = False) -> None:
        """Write that the step is over; `forget` its deaths too if it went well."""
        with self._file.writing() as database:
            deaths = "0" if forget else "deaths"
            database.execute(
                f"UPDATE attempts SET under_way = 0, deaths = {deaths} WHERE channel = ? AND digest = ? AND kind = ?",
                (channel, digest, kind.value),
            )

    def count_deaths(self) -> None:
        """Count every attempt that is still under way as a death of the process. Call once, at start."""
        with self._file.writing() as database:
            database.execute("UPDATE attempts SET under_way = 0, deaths = deaths + 1 WHERE under_way = 1")

    def deaths(self, digest: str, kind: Attempt, channel: str = DEFAULT) -> tuple[int, str]:
        """Return how often the process died with these bytes since they last went well, and in which stage."""
        with self._file.reading() as database:
            found = database.execute(
                "SELECT deaths, stage FROM attempts WHERE channel = ? AND digest = ? AND kind = ?",
                (channel, digest, kind.value),
            ).fetchone()
        return (int(found[0]), str(found[1])) if found else (0, "")
