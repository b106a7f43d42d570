"""Small changes of the code, one at a time, each of which some test should notice."""

import ast
import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_SPLIT = {
    ast.Lt: "<=",
    ast.LtE: "<",
    ast.Gt: ">=",
    ast.GtE: ">",
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.In: "not in",
    ast.NotIn: "in",
    ast.Is: "is not",
    ast.IsNot: "is",
}
_DURABLE = ("fsync", "flush", "chmod", "fchmod", "write_durably", "notify", "notify_all", "wake", "close", "unlink")
_TALK = ("log.", "print(", "self._report(", "report(")
"""Calls whose deletion changes what is said and nothing else are left alone."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """One change: the bytes from `start` to `end` of a file become `new`; `aimed` marks what is easily missed."""

    file: Path
    line: int
    what: str
    start: int
    end: int
    new: str
    aimed: bool = False

    def apply(self, root: Path) -> None:
        """Make the change in the tree below `root`."""
        path = root / self.file
        text = path.read_bytes()
        path.write_bytes(text[: self.start] + self.new.encode() + text[self.end :])

    def undo(self, root: Path, original: bytes) -> None:
        """Put the file back as it was."""
        (root / self.file).write_bytes(original)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what}"


def mutations(file: Path, text: str) -> list[Mutation]:
    """Return every change that can be made in a file, in the order of its lines."""
    return _Finder(file, text).found()


def sample(all_of_them: Sequence[Mutation], count: int, seed: int) -> list[Mutation]:
    """Draw some, the same for the same seed and code: a third aimed ones, and not two of one line."""
    chance = random.Random(seed)
    drawn: list[Mutation] = []
    lines: set[tuple[Path, int]] = set()
    for aimed, wanted in ((True, count // 3), (False, count - count // 3)):
        pool = [one for one in all_of_them if one.aimed == aimed]
        chance.shuffle(pool)
        drawn += itertools.islice(_of_fresh_lines(pool, lines), wanted)
    return drawn


def _of_fresh_lines(pool: Sequence[Mutation], lines: set[tuple[Path, int]]) -> Iterator[Mutation]:
    for one in pool:
        if (one.file, one.line) not in lines:
            lines.add((one.file, one.line))
            yield one


class _Finder:
    """Walks one file's syntax tree."""

    def __init__(self, file: Path, text: str) -> None:
        self._file = file
        self._text = text
        self._lines = [0]
        for line in text.encode().splitlines(keepends=True):
            self._lines.append(self._lines[-1] + len(line))
        self._tree = ast.parse(text)
        self._declared = {id(one) for node in ast.walk(self._tree) for one in _declared(node)}

    def found(self) -> list[Mutation]:
        made = [one for node in ast.walk(self._tree) for one in self._of(node)]
        return sorted(made, key=lambda one: (one.start, one.what))

    def _of(self, node: ast.AST) -> Iterator[Mutation]:
        kinds: dict[type[ast.AST], Callable[..., Iterator[Mutation]]] = {
            ast.Compare: self._compare,
            ast.BoolOp: self._bool,
            ast.If: self._condition,
            ast.While: self._condition,
            ast.IfExp: self._condition,
            ast.Expr: self._statement,
            ast.Raise: self._raise,
            ast.With: self._with,
            ast.Call: self._call,
            ast.Return: self._return,
            ast.Constant: self._constant,
        }
        make = kinds.get(type(node))
        return make(node) if make else iter(())

    def _compare(self, node: ast.Compare) -> Iterator[Mutation]:
        sign = _SPLIT.get(type(node.ops[0]))
        if len(node.ops) == 1 and sign:
            left, right = self._source(node.left), self._source(node.comparators[0])
            yield self._change(node, f"{left} {sign} {right}", "another comparison")

    def _bool(self, node: ast.BoolOp) -> Iterator[Mutation]:
        other = " or " if isinstance(node.op, ast.And) else " and "
        yield self._change(node, other.join(f"({self._source(one)})" for one in node.values), "and/or exchanged")

    def _condition(self, node: ast.If | ast.While | ast.IfExp) -> Iterator[Mutation]:
        if not (isinstance(node, ast.If) and self._source(node.test) == "TYPE_CHECKING"):
            yield self._change(node.test, f"(not ({self._source(node.test)}))", "condition negated")

    def _statement(self, node: ast.Expr) -> Iterator[Mutation]:
        if isinstance(node.value, ast.Call | ast.Await) and not self._source(node).startswith(_TALK):
            name = self._source(node).partition("(")[0].rpartition(".")[2]
            yield self._change(node, "pass", "call deleted", aimed=name in _DURABLE)

    def _raise(self, node: ast.Raise) -> Iterator[Mutation]:
        yield self._change(node, "pass", "raise deleted", aimed=True)

    def _with(self, node: ast.With) -> Iterator[Mutation]:
        first = node.items[0].context_expr
        if len(node.items) == 1 and node.items[0].optional_vars is None and _is_lock(self._source(first)):
            yield self._change(first, "__import__('contextlib').nullcontext()", "lock removed", aimed=True)

    def _call(self, node: ast.Call) -> Iterator[Mutation]:
        if len(node.args) == 2 and not any(isinstance(one, ast.Starred) for one in node.args):
            first, second = node.args
            if type(first) is type(second) and isinstance(first, ast.Name | ast.Attribute):
                start, end = self._span(first)[0], self._span(second)[1]
                yield self._made(
                    node, start, end, f"{self._source(second)}, {self._source(first)}", "arguments exchanged"
                )

    def _return(self, node: ast.Return) -> Iterator[Mutation]:
        if node.value is not None and not isinstance(node.value, ast.Constant):
            yield self._change(node.value, "None", "returns None")

    def _constant(self, node: ast.Constant) -> Iterator[Mutation]:
        if id(node) in self._declared:
            return
        if isinstance(node.value, bool):
            yield self._change(node, str(not node.value), f"{node.value} turned")
        elif isinstance(node.value, int):
            yield self._change(node, str(node.value + 1), f"{node.value} plus one")

    def _change(self, node: ast.expr | ast.stmt, new: str, what: str, *, aimed: bool = False) -> Mutation:
        return self._made(node, *self._span(node), new, what, aimed=aimed)

    def _made(
        self, node: ast.expr | ast.stmt, start: int, end: int, new: str, what: str, *, aimed: bool = False
    ) -> Mutation:
        return Mutation(self._file, node.lineno, f"{what}: {_short(self._source(node))}", start, end, new, aimed)

    def _span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._lines[node.lineno - 1] + node.col_offset, self._lines[node.end_lineno - 1] + node.end_col_offset

    def _source(self, node: ast.expr | ast.stmt) -> str:
        start, end = self._span(node)
        return self._text.encode()[start:end].decode()


def _is_lock(text: str) -> bool:
    return text.startswith("self._") and text.endswith(("lock", "changed", "condition", "binding", "guard", "_turns"))


def _declared(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what only says how a dataclass is made: no test can notice that one that nobody changes may be changed."""
    for decorator in node.decorator_list if isinstance(node, ast.ClassDef) else []:
        yield from ast.walk(decorator)


def _short(text: str) -> str:
    return " ".join(text.split())[:90]
