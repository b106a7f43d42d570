"""Stable codes: members of enums that stand beside what raises them. The page docs/codes.md is made from these."""

from enum import StrEnum


class Code(StrEnum):
    """A stable code, which is a plain string to everyone who reads it: in logs, in JSON, in the ledger.

    Each member is ``NAME = "code", "what it means", "what to do"``. Members of one enum that follow one another with
    the same meaning and remedy share a row of the page.
    """

    meaning: str
    remedy: str

    def __new__(cls, code: str, meaning: str = "", remedy: str = "") -> "Code":
        """Make a member whose value is its code."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning, member.remedy = meaning, remedy
        return member
