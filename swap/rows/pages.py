"""Pages of the cache: which are free, which a request has, and which hold a prefix that others may use. No torch.

Prefixes are a tree: a node is a full page, named by its tokens below its parent; a root is a generation's digest and a
salt. So a prefix is found again by its very tokens, never by a hash of them, and never under another adapter.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

PAGE = 16
"""Tokens in a page: what a prefix must share to be computed once."""

Root = tuple[str, str]
"""What a prefix belongs to: the digest of the generation that computed it, and the request's salt."""


@dataclass(slots=True, eq=False)
class Node:
    """A full page that others may use. `users` counts the requests that hold it; an idle leaf may go."""

    page: int
    tokens: tuple[int, ...]
    parent: "Node | None"
    root: Root
    children: dict[tuple[int, ...], "Node"] = field(default_factory=dict)
    users: int = 0


class Pages:
    """The pages of one cache, numbered from 0. For the loop's thread alone."""

    def __init__(self, count: int, *, shares: bool = True) -> None:
        """Begin with every page free. Without `shares` no prefix is kept: pages only count what requests may have."""
        self.count = count
        self.shares = shares
        self._free = bytearray(b"\1" * count)
        self._left = count
        self._unheld = 0
        self._idle: OrderedDict[Node, None] = OrderedDict()
        self._roots: dict[Root, Node] = {}

    @property
    def room(self) -> int:
        """How many pages can be taken: those that are free, and those that only a prefix is kept in."""
        return self._left + self._unheld

    @property
    def held(self) -> int:
        """How many pages requests hold."""
        return self.count - self.room

    def take(self, count: int, after: int = -1) -> list[int]:
        """Take pages, next to each other and behind `after` where possible. The caller has looked for `room`."""
        while self._left < count:
            self._drop_oldest()
        taken = self._behind(after, count) if after >= 0 else self._run(count)
        while len(taken) < count:
            page = self._free.find(1)
            self._mark(page)
            taken.append(page)
        return taken

    def give(self, pages: Iterable[int]) -> None:
        """Give pages back that are no node's."""
        for page in pages:
            self._free[page] = 1
            self._left += 1

    def match(self, root: Root, tokens: Sequence[int]) -> list[Node]:
        """Find the longest known prefix of these tokens, page by page; nothing is held yet."""
        found: list[Node] = []
        node = self._roots.get(root)
        while node is not None:
            start = len(found) * PAGE
            node = node.children.get(tuple(tokens[start : start + PAGE]))
            if node is not None:
                found.append(node)
        return found

    def hold(self, nodes: Iterable[Node]) -> None:
        """Count one more user of each."""
        for node in nodes:
            if node.users == 0:
                self._unheld -= 1
                self._idle.pop(node, None)
            node.users += 1

    def release(self, nodes: Sequence[Node]) -> None:
        """Count one user less of each; `nodes` is a path from the root."""
        for node in reversed(nodes):
            node.users -= 1
            if node.users == 0:
                self._unheld += 1
                if not node.children:
                    self._idle[node] = None

    def keep(self, root: Root, parent: Node | None, tokens: tuple[int, ...], page: int) -> Node | None:
        """Make a full page known to others; the caller holds its node from now on, and no longer owns the page.

        Returns None if another request was first: the caller keeps its own page then, and may go on from `found`.
        """
        above = parent or self._roots.setdefault(root, Node(-1, (), None, root))
        if tokens in above.children:
            return None
        node = Node(page, tokens, above, root, users=1)
        above.children[tokens] = node
        self._idle.pop(above, None)
        return node

    def found(self, root: Root, parent: Node | None, tokens: tuple[int, ...]) -> Node:
        """Return the node that was there first, held once more."""
        node = (parent or self._roots[root]).children[tokens]
        self.hold([node])
        return node

    def forget(self) -> None:
        """Forget all prefixes that no request holds."""
        while self._idle:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        node, _ = self._idle.popitem(last=False)
        above = node.parent
        assert above is not None  # a root is never idle
        del above.children[node.tokens]
        self._unheld -= 1
        self.give([node.page])
        if above.children or above.users:
            return
        if above.parent is None:
            del self._roots[above.root]
        else:
            self._idle[above] = None
            self._idle.move_to_end(above, last=False)

    def _behind(self, after: int, count: int) -> list[int]:
        taken: list[int] = []
        while len(taken) < count and after + 1 < self.count and self._free[after + 1]:
            after += 1
            self._mark(after)
            taken.append(after)
        return taken

    def _run(self, count: int) -> list[int]:
        """Take pages next to each other, with as many free behind them if that can be had: the request will grow."""
        for wanted in (2 * count + 2, count):
            start = self._free.find(b"\1" * wanted)
            if start >= 0:
                for page in range(start, start + count):
                    self._mark(page)
                return list(range(start, start + count))
        return []

    def _mark(self, page: int) -> None:
        self._free[page] = 0
        self._left -= 1
