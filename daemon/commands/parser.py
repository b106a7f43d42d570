"""Describe the command line: every command with its options, and the function that runs it."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from hotswapd.daemon.config.paths import DEFAULT_NAME
from hotswapd.daemon.ledger.channel import DEFAULT

from . import lazy

Command = Callable[[argparse.Namespace], int]
"""Runs a command and returns its exit code."""
_Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
_SUMMARY = "Keep one language model resident and make each new LoRA adapter live in place."


def make_parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(prog="hotswapd", description=_SUMMARY)
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_local_commands(commands)
    _add_completion(commands, parser)
    _add_reading_commands(commands)
    _add_changing_commands(commands)
    _add_ab(commands)
    _add_channel(commands)
    _add_fleet(commands)
    return parser


def _version() -> str:
    from importlib.metadata import version

    return f"hotswapd {version('hotswapd')}"


def _add_local_commands(commands: _Commands) -> None:
    run = _add(commands, "run", lazy.run, "run the daemon in the foreground")
    run.add_argument("--config", type=Path, metavar="F", help="TOML file (default: /etc/hotswapd/hotswapd.toml)")
    _log_format(run)
    _add_serve(commands)
    _add_doctor(commands)
    check = _add(commands, "check", lazy.check, "tell whether an adapter would be taken, and if not, every reason")
    check.add_argument(
        "place", metavar="DIR_OR_URI", help="directory, s3://... or hf://... with adapter_config.json and the weights"
    )
    check.add_argument("--config", type=Path, metavar="F", help="the daemon's TOML file")
    check.add_argument("--base", metavar="B", help="base model, in place of the configuration's")
    check.add_argument("--max-rank", type=int, metavar="N", help="largest rank, in place of the configuration's")
    check.add_argument("--verify", action="store_true", help="also load the base and run the gates of [verify]")
    check.add_argument(
        "--live", type=Path, metavar="DIR", help="with --verify: an adapter to compare it with, as if that were live"
    )
    check.add_argument(
        "--replay",
        type=Path,
        metavar="FILE",
        help="with --live: answers to find likely, for [verify.replay], as lines of prompt and answer",
    )
    check.add_argument("--json", action="store_true", help="print JSON")
    _add_publish(commands)
    _add_bench(commands)
    demo = _add(commands, "demo", lazy.demo, "show what hotswapd does in two minutes, with a small real model")
    demo.add_argument(
        "--compile", choices=("auto", "true", "false"), default="auto", help="compile the model (default: auto)"
    )


def _add_completion(commands: _Commands, parser: argparse.ArgumentParser) -> None:
    """Add the command that describes all the others, and so needs their parser."""
    completion = _add(commands, "completion", lazy.completion, "print completions for a shell")
    completion.add_argument("shell", choices=("bash", "zsh", "fish"), help="which shell")
    completion.set_defaults(parser=parser)


def _add_serve(commands: _Commands) -> None:
    serve = _add(commands, "serve", lazy.serve, "run the daemon with this base and these sources, without a file")
    serve.add_argument("base", metavar="BASE", help="name on the Hub (org/model), or the model's directory")
    serve.add_argument(
        "source", nargs="*", metavar="SOURCE", help="folder, s3://bucket/prefix/ or hf://org/adapter to watch"
    )
    serve.add_argument("--port", type=int, metavar="N", help="port for HTTP (default 8080; 0: a free one)")
    serve.add_argument("--max-rank", type=int, metavar="N", help="largest rank of an adapter (default 64)")
    serve.add_argument(
        "--set", action="append", default=[], metavar="TABLE.KEY=VALUE", help="any other key, e.g. serve.berths=6"
    )
    serve.add_argument("--name", default=DEFAULT_NAME, help="tell it from your other daemons (default: %(default)s)")
    serve.add_argument(
        "--write-config", type=Path, metavar="FILE", help="write the configuration of this line and end; - prints it"
    )
    _log_format(serve)


def _add_doctor(commands: _Commands) -> None:
    doctor = _add(commands, "doctor", lazy.doctor, "find out what would go wrong here, before it does")
    doctor.add_argument(
        "base", nargs="?", metavar="BASE", help="as for serve; without it only this machine is looked at"
    )
    doctor.add_argument("source", nargs="*", metavar="SOURCE", help="as for serve")
    doctor.add_argument("--config", type=Path, metavar="F", help="TOML file to check, in place of BASE and SOURCE")
    doctor.add_argument("--set", action="append", default=[], metavar="TABLE.KEY=VALUE", help="as for serve")
    doctor.add_argument("--name", default=DEFAULT_NAME, help="as for serve")
    doctor.add_argument("--json", action="store_true", help="print JSON")


def _log_format(parser: argparse.ArgumentParser) -> None:
    forms, summary = ("auto", "json", "console"), "how the log is written, in place of the configuration's [log] format"
    parser.add_argument("--log-format", choices=forms, help=summary)


def _add_bench(commands: _Commands) -> None:
    bench = _add(commands, "bench", lazy.bench, "measure what a swap costs, compared with PEFT and one plain copy")
    bench.add_argument("--preset", choices=("tiny", "demo", "0.5b", "8b"), help="shape and durations")
    bench.add_argument("--base", metavar="B", help="a real base model, in place of random weights")
    bench.add_argument("--json", type=Path, metavar="FILE", help="write every sample as JSON")
    bench.add_argument("--plot", type=Path, metavar="FILE", help="draw the figures (.svg, .png)")
    bench.add_argument("--only", type=_names, metavar="NAMES", help="measure only these, separated by commas")
    bench.add_argument("--rounds", type=_at_least_one, metavar="N", help="samples of each short measurement")
    bench.add_argument("--window", type=float, metavar="S", help="seconds of load for each way of swapping")
    bench.add_argument("--eager", action="store_true", help="serve without compiling, even on a GPU")
    bench.add_argument("--ranks", type=_numbers, metavar="R,...", help="ranks of the adapters, e.g. 8,64,960")
    bench.add_argument("--folders", type=_numbers, metavar="N,...", help="how many adapters to scan, e.g. 100,100000")
    bench.add_argument("--rows", type=_at_least_one, metavar="N", help="rows of the largest ledger")
    bench.add_argument("--swaps", type=_at_least_one, metavar="N", help="swaps under load in mixing (default: 50)")
    bench.add_argument(
        "--channels", type=_at_least_one, metavar="N", help="channels of that measurement (default: 1000)"
    )
    bench.add_argument("--room", type=Path, metavar="DIR", help="where temporary files go (default: TMPDIR)")


def _add_publish(commands: _Commands) -> None:
    publish = _add(commands, "publish", lazy.publish, "check an adapter and send it to a watched place")
    publish.add_argument(
        "directory",
        nargs="+",
        metavar="DIR",
        help="directory with adapter_config.json and the weights; with --together, CHANNEL=DIR for each",
    )
    publish.add_argument(
        "--together", action="store_true", help="several channels: they go live at one moment, or none of them does"
    )
    publish.add_argument("dest", metavar="DEST", help="s3://bucket/prefix/name, or a directory on this machine")
    publish.add_argument("--config", type=Path, metavar="F", help="the daemon's TOML file: check against its base")
    publish.add_argument("--base", metavar="B", help="base model to check against, in place of the configuration's")
    publish.add_argument("--region", metavar="R", help="region of the bucket")
    publish.add_argument("--endpoint-url", metavar="URL", help="address of an S3-compatible server")
    publish.add_argument("--expected-bucket-owner", metavar="ID", help="account that must own the bucket")


def _add_reading_commands(commands: _Commands) -> None:
    status = _about_one(_talking(commands, "status", lazy.status, "show what is live, queued and watched"))
    status.add_argument("--json", action="store_true", help="print JSON")
    status.add_argument("--watch", action="store_true", help="show it again every second until interrupted")
    history = _about_one(_talking(commands, "history", lazy.history, "list the swaps, newest first"))
    history.add_argument("--json", action="store_true", help="print JSON")
    history.add_argument("-n", type=_at_least_one, default=20, metavar="N", help="how many (default 20)")
    which = history.add_mutually_exclusive_group()
    which.add_argument("--verify", action="store_true", help="show every verdict of every gate, with its numbers")
    which.add_argument("--actions", action="store_true", help="list who asked for what, instead of the swaps")


def _add_changing_commands(commands: _Commands) -> None:
    submit = _about_one(_talking(commands, "submit", lazy.submit, "put an adapter on the queue"))
    submit.add_argument("uri", metavar="URI", help="file:///..., s3://..., hf://... or an absolute path")
    submit.add_argument("--again", action="store_true", help="even if it was refused before")
    rollback = _about_one(_talking(commands, "rollback", lazy.rollback, "make a kept generation live and pin it"))
    rollback.add_argument("generation", nargs="?", type=_number, metavar="N", help="default: the previous one")
    rollback.add_argument("--follow", action="store_true", help="do not pin: the next new adapter goes live")
    pin = _about_one(_talking(commands, "pin", lazy.pin, "keep what is live, whatever arrives"))
    pin.add_argument("generation", nargs="?", type=_number, metavar="N", help="default: the live one")
    _about_one(_talking(commands, "unpin", lazy.unpin, "let new adapters go live again"))
    _about_one(_talking(commands, "pause", lazy.pause, "take nothing from the queue"))
    _about_one(_talking(commands, "resume", lazy.resume, "take from the queue again"))


def _add_channel(commands: _Commands) -> None:
    summary = "list, show and remove channels: served names with generations of their own"
    channel = commands.add_parser("channel", help=summary, description=f"{summary.capitalize()}.")
    acts = channel.add_subparsers(dest="act", metavar="ACT", required=True)
    listed = _talking(acts, "list", lazy.channel_list, "list every channel, those that need a look first")
    listed.add_argument("search", nargs="?", default="", metavar="TEXT", help="only those whose names contain it")
    listed.add_argument("--json", action="store_true", help="print JSON")
    show = _talking(acts, "show", lazy.channel_show, "show one channel and its last swaps")
    show.add_argument("channel", metavar="NAME", help="which channel")
    show.add_argument("--json", action="store_true", help="print JSON")
    remove = _talking(acts, "remove", lazy.channel_remove, "end a channel's requests and erase its adapters")
    remove.add_argument("channel", metavar="NAME", help="which channel")
    remove.add_argument("--purge", action="store_true", help="its history too")


def _add_ab(commands: _Commands) -> None:
    summary = "answer with two generations side by side until you decide"
    ab = commands.add_parser("ab", help=summary, description=f"{summary.capitalize()}.")
    acts = ab.add_subparsers(dest="act", metavar="ACT", required=True)
    start = _about_one(_talking(acts, "start", lazy.ab_start, "put a kept generation beside the live one"))
    start.add_argument("generation", type=_number, metavar="N", help="which generation")
    start.add_argument("--weight", type=float, default=50.0, metavar="PERCENT", help="of new requests (default 50)")
    status = _about_one(_talking(acts, "status", lazy.ab_status, "show both arms side by side (also of a canary)"))
    status.add_argument("--json", action="store_true", help="print JSON")
    promote = "make the generation beside the live one live (also a canary)"
    _about_one(_talking(acts, "promote", lazy.ab_promote, promote))
    _about_one(_talking(acts, "stop", lazy.ab_stop, "stop serving the generation beside the live one (also a canary)"))


def _add_fleet(commands: _Commands) -> None:
    summary = "bring up several replicas on Ray Serve that change generation together, and take them down"
    fleet = commands.add_parser("fleet", help=summary, description=f"{summary.capitalize()}.")
    acts = fleet.add_subparsers(dest="act", metavar="ACT", required=True)
    deploy = _add(acts, "deploy", lazy.fleet_deploy, "bring it up, or replace what runs, and wait until it serves")
    delete = _add(acts, "delete", lazy.fleet_delete, "take it down; what is in fleet.shared stays")
    reload = _add(acts, "reload", lazy.fleet_reload, "have what runs go by the file as it is now, as SIGHUP does")
    for parser in (deploy, reload, delete):
        parser.add_argument("--config", type=Path, metavar="F", help="TOML file with [fleet] (default: as for run)")


def _add(commands: _Commands, name: str, command: Command, summary: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=summary, description=f"{summary.capitalize()}.")
    parser.set_defaults(command=command)
    return parser


def _talking(commands: _Commands, name: str, command: Command, summary: str) -> argparse.ArgumentParser:
    """Add a command that talks to a running daemon."""
    parser = _add(commands, name, command, summary)
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--socket", type=Path, metavar="PATH", help="control socket of the daemon")
    where.add_argument("--config", type=Path, metavar="F", help="TOML file that names it")
    where.add_argument("--name", help="which of your daemons (default: the only one that runs)")
    where.add_argument("--url", metavar="URL", help="a fleet's address, as http://HOST:PORT")
    parser.add_argument("--key-file", type=Path, metavar="PATH", help="with --url: the file with the operator's key")
    return parser


def _about_one(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Let a command say which channel it is about."""
    parser.add_argument("--channel", default=DEFAULT, metavar="NAME", help="which channel (default: %(default)s)")
    return parser


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for name in text.split(",") if name)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(_at_least_one(part) for part in text.split(","))


def _number(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a generation number")
    return int(text)


def _at_least_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of at least 1")
    return int(text)
