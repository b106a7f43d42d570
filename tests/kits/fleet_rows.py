"""Rows of what a fleet's clients got, as `make fleet` prints them and docs/fleet.md shows them."""

from dataclasses import dataclass, field
from statistics import median


@dataclass
class Row:
    """A line of the table. `cut` are answers that ended with the process that held their connection."""

    name: str
    answers: int = 0
    begun: int = 0
    """Answers whose headers have come, the unchecked ones too."""
    failed: list[str] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)
    mixed: list[str] = field(default_factory=list)
    unverified: list[str] = field(default_factory=list)
    older: int = 0
    resumed: int = 0
    generations: set[int] = field(default_factory=set)
    whole: list[float] = field(default_factory=list)
    """Seconds from each kill until the fleet was as before."""

    def __str__(self) -> str:
        """One line, then what went wrong, if anything did."""
        took = f", whole again after {median(self.whole):.1f} s, at most {max(self.whole):.1f} s" if self.whole else ""
        line = (
            f"{self.name}: {self.answers} answers by {len(self.generations)} generations, {len(self.failed)} failed, "
            f"{len(self.cut)} cut, {len(self.mixed)} mixed, {len(self.unverified)} unverified, "
            f"{self.older} older after newer, {self.resumed} taken up elsewhere{took}"
        )
        wrong = [*self.failed[:3], *self.mixed[:3], *self.unverified[:3], *dict.fromkeys(self.cut[:2])]
        return "\n  ".join([line, *wrong])

    @property
    def is_right(self) -> bool:
        """Whether every promise was held but that of an unbroken connection."""
        return self.answers > 0 and not (self.failed or self.mixed or self.unverified or self.older)

    @property
    def is_clean(self) -> bool:
        """Whether besides nobody's connection was cut."""
        return self.is_right and not self.cut
