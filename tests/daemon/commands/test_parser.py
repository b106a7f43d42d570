"""The command line as it is described: what each option means, and what is wrong usage."""

import argparse
from collections.abc import Iterator
from pathlib import Path

import pytest

from hotswapd.daemon.commands import lazy
from hotswapd.daemon.commands.parser import make_parser


def leaves(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    for group in groups:
        for command in group.choices.values():
            yield from leaves(command)
    if not groups:
        yield parser


def test_every_command_has_a_function_and_a_sentence() -> None:
    """And every function of `lazy` has a command."""
    commands = list(leaves(make_parser()))
    functions = [command.get_default("command") for command in commands]
    assert {one.__name__ for one in functions} == {
        name for name, one in vars(lazy).items() if callable(one) and one.__module__ == lazy.__name__
    }
    assert len(set(functions)) == len(commands)
    assert all(command.description and command.description.endswith(".") for command in commands)


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ("run", {"config": None}),
        ("check run-7 --base b --max-rank 8", {"place": "run-7", "base": "b", "max_rank": 8, "verify": False}),
        ("status", {"json": False, "watch": False, "socket": None, "config": None}),
        ("history --verify", {"n": 20, "verify": True, "actions": False}),
        ("rollback", {"generation": None, "follow": False}),
        ("rollback 0 --follow", {"generation": 0, "follow": True}),
        ("ab start 3", {"generation": 3, "weight": 50.0}),
        ("ab status --json --socket /s", {"json": True, "socket": Path("/s")}),
        ("bench --only pause,staging --ranks 8,64", {"only": ("pause", "staging"), "ranks": (8, 64)}),
        ("demo", {"compile": "auto"}),
        (
            "serve org/m",
            {"base": "org/m", "source": [], "port": None, "set": [], "name": "default", "log_format": None},
        ),
        ("serve m ./a s3://b/ --set x.y=1 --set z.w=2", {"source": ["./a", "s3://b/"], "set": ["x.y=1", "z.w=2"]}),
        ("serve m --write-config -", {"write_config": Path("-")}),
        ("doctor", {"base": None, "source": [], "config": None, "json": False}),
        ("run --log-format json", {"log_format": "json"}),
        ("pin 3 --name sales", {"generation": 3, "name": "sales", "socket": None}),
    ],
)
def test_a_line_is_understood(line: str, fields: dict[str, object]) -> None:
    arguments = vars(make_parser().parse_args(line.split()))
    assert {name: arguments[name] for name in fields} == fields


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("rollback two", "'two' is not a generation number"),
        ("pin -1", "-1"),
        ("history -n 0", "'0' is not a number of at least 1"),
        ("bench --ranks 8,,9", "'' is not a number of at least 1"),
        ("history --verify --actions", "not allowed with"),
        ("status --name a --socket /s", "not allowed with"),
        ("serve", "BASE"),
        ("serve m --port x", "invalid int value: 'x'"),
        ("run --log-format xml", "invalid choice: 'xml'"),
        ("status --socket /a --config /b", "not allowed with"),
        ("ab", "required"),
    ],
)
def test_wrong_usage_names_what_is_wrong(line: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        make_parser().parse_args(line.split())
    assert caught.value.code == 2
    assert words in capsys.readouterr().err
