"""Which attributes a class changes after its constructor, and where it touches them without its lock: from its source.

A class has a lock if it makes one: ``threading.Lock``, ``RLock`` or ``Condition``. A private method counts as holding
it if every call of it in the class is made with the lock held.
"""

import ast
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_LOCKS = {"Lock", "RLock", "Condition", "FairLock"}
_CHANGES = {
    "append", "appendleft", "extend", "add", "discard", "remove", "pop", "popleft", "clear", "update", "setdefault",
    "insert", "sort", "popitem", "move_to_end", "put", "labels", "inc",
}  # fmt: skip
_MAKING = ("__init__", "__post_init__")


@dataclass(slots=True)
class Touch:
    """One use of an attribute: in which method, and whether the lock is held there by what is written around it."""

    method: str
    name: str
    held: bool
    changes: bool


@dataclass(slots=True)
class Guarded:
    """One class with a lock, and what it inherits."""

    name: str
    locks: set[str] = field(default_factory=set)
    touches: list[Touch] = field(default_factory=list)
    calls: dict[str, list[tuple[str, bool]]] = field(default_factory=dict)
    """For each method of its own: who calls it, and whether with the lock."""
    entered: Counter[str] = field(default_factory=Counter)
    """How often each lock is taken by a ``with``."""

    def unguarded(self) -> set[str]:
        """Return ``method: attribute`` for each use, without the lock, of what is changed after the constructor."""
        holding = self._holding()
        changed = {one.name for one in self.touches if one.changes and one.method not in _MAKING} - self.locks
        return {
            f"{one.method}: {one.name}"
            for one in self.touches
            if one.name in changed and not one.held and one.method not in _MAKING and one.method not in holding
        }

    def _holding(self) -> set[str]:
        """Name the private methods that are only called with the lock."""
        holding = {name for name in self.calls if name.startswith("_") and not name.startswith("__")}
        while True:
            wrong = {
                name
                for name in holding
                if not all(held or caller in holding or caller in _MAKING for caller, held in self.calls[name])
            }
            if not wrong:
                return holding
            holding -= wrong


def parsed(root: Path, tops: tuple[str, ...]) -> dict[Path, ast.Module]:
    """Parse every file below some folders; the paths are relative to `root`."""
    files = (path for top in tops for path in sorted((root / top).rglob("*.py")))
    return {path.relative_to(root): ast.parse(path.read_text()) for path in files}


def guarded_classes(trees: Mapping[Path, ast.Module]) -> dict[str, Guarded]:
    """Return every class with a lock by ``file::Class``, with the methods of its bases and the locks of those."""
    found: dict[str, tuple[str, ast.ClassDef]] = {}
    for path, tree in trees.items():
        found |= {node.name: (f"{path}::{node.name}", node) for node in tree.body if isinstance(node, ast.ClassDef)}
    guarded: dict[str, Guarded] = {}
    for place, node in found.values():
        chain = list(_chain(node, found))
        locks: set[str] = set().union(*(_locks(one) for one in chain))
        if locks:
            guarded[place] = _read(node.name, locks, chain)
    return guarded


def _chain(node: ast.ClassDef, found: dict[str, tuple[str, ast.ClassDef]]) -> Iterator[ast.ClassDef]:
    yield node
    for base in node.bases:
        if isinstance(base, ast.Name) and base.id in found:
            yield from _chain(found[base.id][1], found)


def _locks(node: ast.ClassDef) -> set[str]:
    """Name the attributes that hold a lock: set in a method, by a dataclass field, or on the class."""
    names = set()
    for one in ast.walk(node):
        if isinstance(one, ast.Assign | ast.AnnAssign) and one.value is not None and _makes_lock(one.value):
            targets = one.targets if isinstance(one, ast.Assign) else [one.target]
            names |= {target.attr if isinstance(target, ast.Attribute) else target.id  # type: ignore[attr-defined]
                      for target in targets}  # fmt: skip
    return names


def _makes_lock(value: ast.expr) -> bool:
    if not isinstance(value, ast.Call):
        return False
    made = [value.func, *(one.value for one in value.keywords if one.arg == "default_factory")]
    names = {one.attr if isinstance(one, ast.Attribute) else getattr(one, "id", "") for one in made}
    return bool(names & _LOCKS)


def _read(name: str, locks: set[str], chain: list[ast.ClassDef]) -> Guarded:
    guarded = Guarded(name, locks)
    own: dict[str, ast.FunctionDef | ast.AsyncFunctionDef] = {}
    for node in chain:
        for one in node.body:
            if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef):
                own.setdefault(one.name, one)
    guarded.calls = {method: [] for method in own}
    for method, function in own.items():
        _Walk(guarded, method).visit_all(function.body, held=False)
    return guarded


class _Walk:
    """Walks one method and notes what it touches."""

    def __init__(self, guarded: Guarded, method: str) -> None:
        self._guarded = guarded
        self._method = method

    def visit_all(self, nodes: list[ast.stmt], *, held: bool) -> None:
        for node in nodes:
            self._visit(node, held)

    def _visit(self, node: ast.AST, held: bool, changes: bool = False) -> None:
        taken = _locks_taken(node) & self._guarded.locks
        if taken:
            assert isinstance(node, ast.With)
            self._guarded.entered.update(taken)
            self.visit_all(node.body, held=True)
            return
        called = _attribute(node.func) if isinstance(node, ast.Call) else None
        if isinstance(node, ast.Call) and called is not None and called in self._guarded.calls:
            self._guarded.calls[called].append((self._method, held))
            for argument in (*node.args, *(one.value for one in node.keywords)):
                self._visit(argument, held)
            return
        name = _attribute(node)
        if name is not None:
            assert isinstance(node, ast.Attribute)
            self._note(name, held, changes or not isinstance(node.ctx, ast.Load))
            return
        for child, changed in _children(node):
            self._visit(child, held, changed)

    def _note(self, name: str, held: bool, changes: bool) -> None:
        if name in self._guarded.calls:
            self._guarded.calls[name].append(("", False))  # handed on: whoever calls it holds nothing
        else:
            self._guarded.touches.append(Touch(self._method, name, held, changes))


def _locks_taken(node: ast.AST) -> set[str]:
    items = node.items if isinstance(node, ast.With) else []
    return {name for item in items if (name := _attribute(item.context_expr)) is not None}


def _attribute(node: ast.AST) -> str | None:
    """Return the name in ``self.name``."""
    is_own = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
    return node.attr if is_own and isinstance(node, ast.Attribute) else None


def _children(node: ast.AST) -> Iterator[tuple[ast.AST, bool]]:
    """Yield what a node is made of, and whether that part is changed by it: an item that is set, a list that grows."""
    is_change = isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load)
    is_call = isinstance(node, ast.Attribute) and node.attr in _CHANGES
    for child in ast.iter_child_nodes(node):
        yield child, (is_change or is_call) and child is getattr(node, "value", None)
