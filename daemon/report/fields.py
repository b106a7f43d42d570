"""Writes the page of all answers from their types: ``python -m hotswapd.daemon.report.fields > docs/answers.md``."""

import inspect
import re
import sys
from collections.abc import Iterator
from typing import Any, get_type_hints, is_typeddict

from hotswapd.daemon import answers, replicas

_HEAD = """# Answers

What the control socket, `http://HOST:PORT/status.json` and the commands' `--json` answer, field by field. The daemon,
its page and its commands are checked against these types; this page is made from them.

`GET /status` and `hotswapd status --json` answer a `Status`, `GET /history` and `hotswapd history --json` a list of
`HistoryRow`, `GET /actions` a list of `Action`, and `GET /status.json` an `Overview`.

{doc}
"""


def page() -> str:
    """Return the whole page."""
    head = _HEAD.format(doc=" ".join(str(inspect.getdoc(answers)).split("\n\n", 1)[1].split()).replace("``", "`"))
    return head + "".join(_section(name, kind) for name, kind in _kinds())


def _kinds() -> Iterator[tuple[str, Any]]:
    for module in (answers, replicas):
        own = (kind for kind in vars(module).values() if is_typeddict(kind) and kind.__module__ == module.__name__)
        yield from ((kind.__name__, kind) for kind in own)


def _section(name: str, kind: Any) -> str:
    doc = " ".join(str(inspect.getdoc(kind)).split())
    rows = "".join(
        f"| `{field}` | {_type(hint)} |\n" for field, hint in get_type_hints(kind, include_extras=True).items()
    )
    return f"\n## {name}\n\n{doc}\n\n| field | type |\n| --- | --- |\n{rows}"


def _type(hint: Any) -> str:
    text = hint.__name__ if isinstance(hint, type) and not hasattr(hint, "__args__") else str(hint)
    text = re.sub(r"(typing\.|hotswapd\.daemon\.(answers|replicas)\.)", "", text)
    optional = text.startswith("NotRequired[")
    text = text.removeprefix("NotRequired[").removesuffix("]") if optional else text
    words = text.replace(" | None", " or null").replace("str", "string").replace("bool", "true or false")
    words = words.replace("float", "number").replace("int", "integer").replace("list[", "list of ").replace("]", "")
    words = re.sub(r"dict\[string, (.*)", r"object of \1", words)
    return f"{words}, may be absent" if optional else words


if __name__ == "__main__":
    sys.stdout.write(page())
