"""How a command says that it could not do something."""

import pytest

from hotswapd.daemon.host.exits import Exit
from hotswapd.daemon.terminal.complaint import complain


def test_a_complaint_holds_no_control_codes(capsys: pytest.CaptureFixture[str]) -> None:
    """On standard error, under the program's name; a name in it could hold any."""
    assert complain("no adapter at /a\x1b[2J\nlook there", Exit.USAGE) == Exit.USAGE
    out, err = capsys.readouterr()
    assert (out, err) == ("", "hotswapd: no adapter at /a\ufffd[2J\nlook there\n")
