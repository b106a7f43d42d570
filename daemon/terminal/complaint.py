"""How a command says that it could not do something."""

import sys

from hotswapd.daemon.host.exits import Exit


def complain(sentence: str, code: Exit) -> Exit:
    """Print a sentence on standard error without control codes, which a name in it could hold; return `code`."""
    shown = "".join(letter if letter.isprintable() or letter == "\n" else "\ufffd" for letter in sentence)
    sys.stderr.write(f"hotswapd: {shown}\n")
    return code
