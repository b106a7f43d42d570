"""Pages of the cache: which are free, which a request has, and which hold a prefix that others may use. No torch.

Prefixes are a tree: a node is a full page, named by its tokens below its parent; a root is a generation's digest and a
salt. So a prefix is found again by its very tokens, never by a hash of them, and never under another adapter.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

PAGE = 16
"""Tokens in a page: what a prefix must share to be computed once."""
_AHEAD = 16
"""Pages that are kept clear behind a request's last one at most, so that it can grow in place."""
_TRIES = 2
"""How many times the pages of a run are given up at most, prefixes of others, so as to find that run free."""
_CLEAR, _FREE = b"\2", b"\1"
"""How a page is marked that is free, but behind a request that will grow, and how one that is just free."""

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
        self._free = bytearray(_FREE * count)
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

    def take(self, count: int, after: int = -1, more: int = 0) -> list[int]:
        """Take pages, next to each other and behind `after` where possible. The caller has looked for `room`.

        `more` is how many may follow later: as many behind these are kept clear of others while there is other room,
        since keys and values that lie next to each other are read where they are, and others are copied in each step.
        """
        more = min(more, _AHEAD)
        self._make_room(count, 0 if after >= 0 else more)
        taken = self._behind(after, count) if after >= 0 else self._run(count, more)
        while len(taken) < count:
            page = next(at for at in map(self._free.find, (_FREE, _CLEAR)) if at >= 0)
            self._mark(page)
            taken.append(page)
        self._keep_clear(taken[-1] + 1, more)
        return taken

    def open_behind(self, page: int) -> None:
        """Let others have what was kept clear behind this page."""
        for at in range(page + 1, min(page + 1 + _AHEAD, self.count)):
            if self._free[at] != _CLEAR[0]:
                return
            self._free[at] = _FREE[0]

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

    def _make_room(self, count: int, more: int) -> None:
        """Drop prefixes until so many pages are free, and a few more where that frees a run that can grow."""
        while self._left < count:
            self._drop_oldest()
        run = _FREE * (count + more)
        for _ in range(_TRIES * len(run) if more else 0):
            if not self._idle or self._free.find(run) >= 0:
                return
            self._drop_oldest()

    def _run(self, count: int, more: int) -> list[int]:
        """Take pages next to each other, in front of `more` that are free too if that can be had."""
        start = self._find(count + more, count)
        if start < 0 and _CLEAR in self._free:  # nothing is kept clear that is needed now
            self._free = self._free.replace(_CLEAR, _FREE)
            start = self._find(count)
        taken = list(range(start, start + count)) if start >= 0 else []
        for page in taken:
            self._mark(page)
        return taken

    def _find(self, *lengths: int) -> int:
        return next((at for at in (self._free.find(_FREE * length) for length in lengths) if at >= 0), -1)

    def _keep_clear(self, start: int, count: int) -> None:
        for page in range(start, min(start + count, self.count)):
            if not self._free[page]:
                return
            self._free[page] = _CLEAR[0]

    def _mark(self, page: int) -> None:
        self._free[page] = 0
        self._left -= 1
