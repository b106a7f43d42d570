"""The external judge: real programs that ask the candidate, say yes or no, hang, and leave children."""

import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from kits.residents import free
from kits.rows import LONG, Bench, Held, adapter, bench, reference
from kits.waiting import until

from hotswapd.daemon.config.verify import Command
from hotswapd.daemon.gates import judge
from hotswapd.daemon.gates.judge import Judge
from hotswapd.daemon.gates.judge_server import CandidateServer
from hotswapd.loaders.errors import Unavailable
from hotswapd.swap.berths.image import Image
from hotswapd.swap.gates.spec import Outcome, Verdict
from hotswapd.swap.gates.turns import Interrupted, Surroundings
from hotswapd.swap.rows.candidate import CANDIDATE
from hotswapd.swap.rows.tickets import NoGeneration

PROMPT = (5, 6, 7)


@pytest.fixture(scope="module")
def made() -> Iterator[Bench]:
    with bench() as bench_:
        yield bench_


@contextmanager
def candidate(made: Bench, index: int = 1) -> Iterator[Image]:
    image = made.resident.stage(made.resident.admit(adapter(index)), f"{index:064x}")
    try:
        yield image
    finally:
        made.resident.drop(image)


def judged(made: Bench, program: str, around: Surroundings | None = None, **table: Any) -> Verdict:
    """Let a Python program judge the candidate."""
    command = Command(argv=(sys.executable, "-c", textwrap.dedent(program)), **{"timeout": 30.0, **table})
    external = Judge(command, made.engine, "tiny", around or Surroundings())
    with candidate(made) as image:
        return external.verdict(image, "file:///a", Path("/tmp/somewhere"))


ASK = """
    import json, os, sys, urllib.request
    def ask(key=os.environ["HOTSWAPD_JUDGE_KEY"]):
        body = {"model": os.environ["HOTSWAPD_JUDGE_MODEL"], "prompt": [5, 6, 7], "max_tokens": 8, "temperature": 0}
        url = os.environ["HOTSWAPD_JUDGE_URL"] + "/completions"
        headers = {"Authorization": "Bearer " + key, "Content-Type": "application/json"}
        return urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), headers))
"""


def test_the_judge_asks_the_candidate_and_its_exit_code_counts(made: Bench) -> None:
    """It asks over HTTP, sees the candidate's own answer while the live one goes on, and says yes."""
    text = made.resident.tokenizer.decode(list(reference(1, PROMPT, 8)))
    live, listener = made.ask(PROMPT, 40)
    program = f'{ASK}\n    answer = json.load(ask())["choices"][0]["text"]\n    sys.exit(answer != {text!r})'
    verdict = judged(made, program)
    assert (verdict.outcome, verdict.numbers["exit_code"]) == (Outcome.PASSED, 0)
    assert made.right(live, listener, PROMPT, 8)


def test_a_no_has_the_exit_code_and_the_last_line(made: Bench) -> None:
    """Any other exit code is a no, and the last thing that it printed is in the sentence."""
    verdict = judged(made, 'import sys; print("first"); print("sums are wrong"); sys.exit(7)')
    assert (verdict.outcome, verdict.code) == (Outcome.FAILED, "judge_refused")
    assert "exit code 7" in verdict.sentence
    assert "sums are wrong" in verdict.sentence
    assert "first" not in verdict.sentence
    assert "signal 9" in judged(made, "import os; os.kill(os.getpid(), 9)").sentence


def test_what_it_said_last_is_waited_for(made: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has ended before anybody has read a word: the sentence has its last line all the same."""
    over, read, close = threading.Event(), judge._Tail._read, judge._Tail.close

    def read_late(tail: judge._Tail) -> None:
        assert over.wait(LONG)
        read(tail)

    def close_then(tail: judge._Tail) -> None:
        over.set()
        close(tail)

    monkeypatch.setattr(judge._Tail, "_read", read_late)
    monkeypatch.setattr(judge._Tail, "close", close_then)
    verdict = judged(made, "print('too rude'); raise SystemExit(3)")
    assert "its last line: 'too rude'" in verdict.sentence


def test_a_judge_that_hangs_is_killed_with_all_that_it_started(made: Bench, tmp_path: Path) -> None:
    """At its limit it is a no, and neither it nor its child lives on."""
    note = tmp_path / "pids"
    program = f"""
        import os, subprocess, time
        child = subprocess.Popen(["sleep", "1000"])
        open({str(note)!r}, "w").write(f"{{os.getpid()}} {{child.pid}}")
        time.sleep(1000)
    """

    def started() -> bool:
        return note.exists() and bool(note.read_text())

    def rest(_: float) -> None:
        until(started, "it never started")

    waited = Surroundings(rest=rest, clock=lambda: 60.0 * started())
    verdict = judged(made, program, waited, timeout=0.5)
    assert verdict.code == "judge_timeout"
    assert "verify.command.timeout = 0.5 s" in verdict.sentence
    for pid in map(int, note.read_text().split()):
        until(partial(_gone, pid), f"process {pid} lives on")


def test_time_in_which_the_process_was_frozen_does_not_count(made: Bench) -> None:
    """By its clock no time passes: a program that takes longer than the limit is waited for."""
    frozen = Surroundings(clock=lambda: 0.0)
    verdict = judged(made, "import time; time.sleep(1.0)", frozen, timeout=0.2)
    assert verdict.outcome == Outcome.PASSED
    assert verdict.numbers["seconds"] == 0.0


def _gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_a_child_that_is_left_behind_by_a_yes_is_killed_too(made: Bench, tmp_path: Path) -> None:
    """Whatever it started ends with it, though it said yes and has ended itself."""
    note = tmp_path / "pid"
    program = f'import subprocess; open({str(note)!r}, "w").write(str(subprocess.Popen(["sleep", "1000"]).pid))'
    assert judged(made, program).outcome == Outcome.PASSED
    until(lambda: _gone(int(note.read_text())), "the child lives on")


def test_an_interrupted_judge_is_killed_and_frees_its_berth(made: Bench) -> None:
    """When something else must come first there is no verdict, and the berth can be had at once."""

    def rest(_: float) -> None:
        assert "candidate" in uses(made)
        raise Interrupted("interrupted", "its berth is needed")

    before = free(made.resident)
    with pytest.raises(Interrupted):
        judged(made, "import time; time.sleep(1000)", Surroundings(rest=rest))
    assert "candidate" not in uses(made)
    assert free(made.resident) == before


def uses(made: Bench) -> list[str]:
    return [one.use for one in made.rows.status()]


def test_a_program_that_cannot_be_started_is_not_a_verdict(made: Bench) -> None:
    """The candidate is held and tried again: it is not its fault."""
    judge = Judge(Command(argv=("/no/such/judge",)), made.engine, "tiny", Surroundings())
    with candidate(made) as image, pytest.raises(Unavailable, match=r"verify\.command cannot be started"):
        judge.verdict(image, "file:///a", Path("/tmp"))


def test_the_environment_is_little_and_named(made: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets of the daemon's are not passed on; what pass_env names is."""
    monkeypatch.setenv("HF_TOKEN", "secret")
    monkeypatch.setenv("FOR_THE_JUDGE", "hello")
    program = """
        import os, sys
        sys.exit("HF_TOKEN" in os.environ or os.environ["FOR_THE_JUDGE"] != "hello"
                 or os.environ["OPENAI_BASE_URL"] != os.environ["HOTSWAPD_JUDGE_URL"])
    """
    assert judged(made, program, pass_env=("FOR_THE_JUDGE",)).outcome == Outcome.PASSED


def test_nobody_else_is_served_by_the_candidate(made: Bench) -> None:
    """Without the one-time key the server answers 401, it listens on the loopback alone, and is gone afterwards."""
    with candidate(made) as image, made.rows.lend(image), CandidateServer(made.engine, "tiny", "the key") as server:
        body = {"model": "tiny", "prompt": [5], "max_tokens": 1}
        assert server.url.startswith("http://127.0.0.1:")
        for key in ("wrong", ""):
            given = {"Authorization": f"Bearer {key}"} if key else {}
            assert httpx.post(f"{server.url}/completions", json=body, headers=given).status_code == 401
        answered = httpx.post(f"{server.url}/completions", json=body, headers={"Authorization": "Bearer the key"})
        assert answered.headers["X-Hotswapd-Generation"] == "-1"
        assert -1 not in made.rows.generations()
    with pytest.raises(httpx.ConnectError):
        httpx.post(f"{server.url}/completions", json=body)
    with pytest.raises(NoGeneration):
        made.ask(PROMPT, 1, generation=CANDIDATE)


def test_a_lent_candidate_shares_its_steps_with_all_others(made: Bench) -> None:
    """However many generations answer meanwhile, it is asked in its own berth, and each answers as itself."""
    older, heard = made.ask(PROMPT, 200)
    made.swap(2)
    with candidate(made, 3) as image, made.rows.lend(image):
        _, lent = made.ask(PROMPT, 8, generation=CANDIDATE)
        newer, newest = made.ask(PROMPT, 8)
        assert lent.wait().token_ids == reference(3, PROMPT, 8)
        assert made.right(newer, newest, PROMPT)
        assert made.right(older, heard, PROMPT, 24)


def test_what_a_lent_candidate_is_still_asked_ends_with_the_loan(made: Bench) -> None:
    held = Held()
    with candidate(made, 3) as image:
        with made.rows.lend(image):
            made.ask(PROMPT, 200, generation=CANDIDATE, hear=held)
            assert held.begun.wait(LONG)
            held.let_go.set()
        assert held.wait().finish == "error"
