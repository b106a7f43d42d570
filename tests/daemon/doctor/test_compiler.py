"""The compiler: it is tried, and missing it stops only what must be compiled."""

import os
import sysconfig
from pathlib import Path

import pytest
from kits.doctors import only, settings

from hotswapd.daemon.doctor import compiler
from hotswapd.daemon.doctor.compiler import check_compiler, compiler_trouble, find_compiler


def script(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_a_compiler_that_works_is_fine() -> None:
    if not find_compiler(os.environ):
        pytest.skip("there is no compiler here")
    assert compiler_trouble(os.environ) == ""


def test_one_that_fails_is_quoted(tmp_path: Path) -> None:
    broken = script(tmp_path / "c++", "echo 'cc1plus: not found' >&2; exit 1")
    assert compiler_trouble({"CXX": broken}) == f"{broken} cannot compile an empty program (cc1plus: not found)"
    assert "cannot be run" in compiler_trouble({"CXX": str(tmp_path / "none")})


def test_the_first_on_the_path_is_taken(tmp_path: Path) -> None:
    assert find_compiler({"PATH": str(tmp_path)}) == ""
    assert compiler_trouble({"PATH": str(tmp_path)}) == "there is no C++ compiler"
    assert find_compiler({"PATH": str(tmp_path), "CXX": "ccache g++"}) == "ccache g++"
    found = script(tmp_path / "g++", "exit 0")
    assert find_compiler({"PATH": str(tmp_path)}) == found


@pytest.mark.parametrize(
    ("compiled", "outcome"), [(True, "fails"), (False, "fine"), ("auto", "fine")], ids=["true", "false", "auto"]
)
def test_no_compiler_stops_only_what_must_be_compiled(
    compiled: object, outcome: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a CPU `auto` compiles nothing."""
    monkeypatch.setattr(compiler, "compiler_trouble", lambda _: "there is no C++ compiler")
    only(check_compiler(settings(model={"base": "m", "device": "cpu", "compile": compiled})), outcome)


def test_missing_headers_are_worth_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a configuration nothing is known of what must be compiled."""
    monkeypatch.setattr(compiler, "compiler_trouble", lambda _: "")
    monkeypatch.setattr(sysconfig, "get_path", lambda _: "/nowhere")
    assert "Python.h is missing" in only(check_compiler(None), "note").sentence
