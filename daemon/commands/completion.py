"""``hotswapd completion bash|zsh|fish``: the script that a shell needs to complete the command line."""

import argparse
import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import shtab

_PLACES = ("directory", "place", "dest", "uri", "base", "source")
"""Arguments that may name a directory, among other things."""


def completion(arguments: Namespace) -> int:
    """Print the completions for a shell, to be saved where it looks for them, or to be evaluated."""
    parser: argparse.ArgumentParser = arguments.parser
    for action in _actions(parser):
        if action.type is Path or action.dest in _PLACES:
            complete: Any = shtab.DIRECTORY if action.dest in _PLACES else shtab.FILE
            action.complete = complete  # type: ignore[attr-defined] # where shtab looks for it
    sys.stdout.write(shtab.complete(parser, arguments.shell) + "\n")
    return 0


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield the options and arguments of a parser and of its commands; argparse has no public way to do this."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _actions(command)
