"""TODO daemon/terminal/complaint.py."""

import sys

from hotswapd.daemon.host.exits import Exit


def complain(sentence: str, code: Exit) -> Exit:
    """Print a sentence on standard error; a name in it could hold a terminal's control codes."""
    shown = "".join(letter if letter.isprintable() or letter == "\n" else "\ufffd" for letter in sentence)
    sys.stderr.write(f"hotswapd: {shown}\n")
    return code
