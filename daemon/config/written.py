"""Settings as a commented configuration file: the shipped example, with what differs from it filled in."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

_EXAMPLE = "hotswapd.toml.example"
_HEADER = re.compile(r"(?P<mark>(?:#\s+)?)\[(?P<many>\[?)(?P<table>[a-z_.]+)\]?\]\s*")
_KEY = re.compile(r"(?P<mark>(?:#\s+)?)(?P<key>[a-z_]+) = (?P<value>.*?)(?P<remark>\s+# .*)?")
_REMARK_COLUMN = 31
_SOURCE = "source"
_CHANNEL = "channel"


def written(tables: Mapping[str, Any]) -> str:
    """Return the text of a file that sets these tables, each key where the example explains it."""
    flat = dict(_flat({name: table for name, table in tables.items() if name not in (_SOURCE, _CHANNEL)}))
    known = {key for _, key in _keys_of_the_example()}
    lines: list[str] = []
    here = ""
    for line in _lines(tables.get(_SOURCE, ())):
        header = _HEADER.fullmatch(line)
        here = header["table"] if header else here
        if header and header["table"] != _SOURCE:
            fresh = [key for key in flat if key.rpartition(".")[0] == here and key not in known]
            is_set = any(key.startswith(f"{here}.") for key in flat)
            lines.append(f"[{here}]" if is_set and not header["many"] else line)
            lines += [_assignment(key.rpartition(".")[2], flat[key]) for key in fresh]
        else:
            lines.append(_filled(line, here, flat))
    after = (*_tables_without_a_place(flat, known), *_channel_lines(tables.get(_CHANNEL, ())))
    return "\n".join([*lines, *after]) + "\n"


def _channel_lines(channels: Any) -> Iterator[str]:
    """Yield the tables of the channels: the example shows one and has none."""
    for channel in channels:
        yield "\n[[channel]]"
        yield from (_assignment(key, value) for key, value in channel.items() if not isinstance(value, Mapping))
        flat = dict(_flat({key: value for key, value in channel.items() if isinstance(value, Mapping)}, "channel."))
        for table in dict.fromkeys(key.rpartition(".")[0] for key in flat):
            yield f"[{table}]"
            yield from (
                _assignment(key.rpartition(".")[2], flat[key]) for key in flat if key.rpartition(".")[0] == table
            )


def _lines(sources: Any) -> Iterator[str]:
    """Yield the example's lines, with these sources in place of its own."""
    text = _example()
    begin, end = text.index("\n[[source]]") + 1, text.index("\n[admission]") + 1
    yield from text[:begin].splitlines()
    for source in sources:
        yield from _source_lines(source)
    yield from text[end:].splitlines()


def _source_lines(source: Mapping[str, Any]) -> Iterator[str]:
    """Yield one source with the keys of its kind; those that it does not set are comments, as in the example."""
    left = {key: value for key, value in source.items() if key != "kind"}
    yield "[[source]]"
    yield _assignment("kind", source["kind"])
    for line in _example_of(source["kind"]):
        found = _KEY.fullmatch(line)
        if found and found["key"] in left:
            yield _assignment(found["key"], left.pop(found["key"]), found["remark"] or "")
        elif found and found["key"] != "kind":
            yield f"# {found['key']} = {found['value']}{found['remark'] or ''}"
    yield from (_assignment(key, value) for key, value in left.items())
    yield ""


def _example_of(kind: str) -> list[str]:
    """Return the lines of the example's source of this kind, as far as the next empty one."""
    blocks = _example().replace("\n# [[source]]", "\n[[source]]").split("\n[[source]]\n")[1:]
    return next((block.partition("\n\n")[0].splitlines() for block in blocks if f'kind = "{kind}"' in block), [])


def _filled(line: str, table: str, flat: Mapping[str, Any]) -> str:
    found = _KEY.fullmatch(line)
    key = f"{table}.{found['key']}" if found else ""
    if found is None or key not in flat:
        return line
    return _assignment(found["key"], flat[key], found["remark"] or "")


def _assignment(key: str, value: Any, remark: str = "") -> str:
    text = f"{key} = {toml(value)}"
    return f"{f'{text}  ':{_REMARK_COLUMN}}{remark.strip()}" if remark else text


def _tables_without_a_place(flat: Mapping[str, Any], known: set[str]) -> Iterator[str]:
    """Yield the tables that the example does not have."""
    headers = {table for table, _ in _keys_of_the_example()}
    for table in dict.fromkeys(key.rpartition(".")[0] for key in flat):
        if table not in headers:
            yield f"\n[{table}]"
            yield from (
                _assignment(key.rpartition(".")[2], value)
                for key, value in flat.items()
                if key.rpartition(".")[0] == table and key not in known
            )


@cache
def _keys_of_the_example() -> frozenset[tuple[str, str]]:
    """Return each table of the example, commented out or not, with each of its keys in full; "" for the table alone."""
    found, here = set(), ""
    for line in _example().splitlines():
        header, key = _HEADER.fullmatch(line), _KEY.fullmatch(line)
        here = header["table"] if header else here
        if header or key:
            found.add((here, f"{here}.{key['key']}" if key else ""))
    return frozenset(found)


def _example() -> str:
    return files(__package__).joinpath(_EXAMPLE).read_text(encoding="utf-8")


def _flat(tables: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each key in full with its value; a table inside a table is gone into."""
    for name, value in tables.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def toml(value: Any) -> str:
    """Write one value as TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{toml(key)} = {toml(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, int | float):
        return repr(value)
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
