"""How the daemon says no."""

import pytest

from hotswapd.daemon.errors import BadRequest, Busy, Conflict, ErrorCode, FaceError, NotReady


@pytest.mark.parametrize("kind", [BadRequest, Conflict, Busy, NotReady, FaceError])
def test_each_error_has_a_status_that_codes_have(kind: type[FaceError]) -> None:
    """And carries its code and its sentence as they were given."""
    error = kind(ErrorCode.BUSY, "ask again")
    assert (error.code, error.sentence, str(error)) == ("busy", "ask again", "ask again")
    assert str(kind.status) in {code.status for code in ErrorCode}


def test_each_code_has_a_meaning_and_an_error_status() -> None:
    """Only what stands for every other status has none of its own."""
    assert all(code.meaning for code in ErrorCode)
    assert {code for code in ErrorCode if not 400 <= int(code.status or 0) < 600} == {ErrorCode.HTTP_ERROR}
