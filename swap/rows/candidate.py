"""The name under which a request asks for a generation that has no number yet."""

from enum import Enum
from typing import Final


class Candidate(Enum):
    """Asked for in place of a generation's number: the candidate, in the berth that is lent to it."""

    LENT = "the candidate"


CANDIDATE: Final = Candidate.LENT
