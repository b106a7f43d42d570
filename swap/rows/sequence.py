"""A request inside the loop: its tokens, how many of them are computed, and the pages that hold them. No torch."""

from typing import Any

from .pages import PAGE, Node, Pages, Root
from .tickets import Place, Ticket


class Sequence:
    """One request in the loop. For the loop's thread alone.

    `tokens` are prompt and answer; the first `computed` have their keys and values in the cache. `state` is for the
    runner that needs more than pages.
    """

    def __init__(self, ticket: Ticket, order: int) -> None:
        """Begin with nothing computed; `order` is its place among all requests."""
        ask = ticket.ask
        self.ticket = ticket
        self.ask = ask
        assert isinstance(ticket.place, Place)  # one that is parked was given a berth before this
        self.image = ticket.place.image
        self.order = order
        self.tokens: list[int] = list(ask.prompt)
        self.computed = 0
        self.pages: list[int] = []
        self.path: list[Node] = []
        self.own: set[int] = set()
        self.root: Root = (ticket.digest, ask.cache_salt)
        self.state: Any = None
        self.ended = False
        self.table: Any = None
        """What the runner has made of `pages`; None when that is to be made again."""

    @property
    def made(self) -> int:
        """How many tokens of the answer there are."""
        return len(self.tokens) - len(self.ask.prompt)

    @property
    def due(self) -> int:
        """How many tokens are to be computed before the next one can be drawn."""
        return len(self.tokens) - self.computed

    def find_prefix(self, pages: Pages) -> None:
        """Begin behind the longest prefix that is in the cache; at least the last token is computed anew."""
        if self.ask.prompt_logprobs is not None:
            return
        found = pages.match(self.root, self.tokens)[: (len(self.tokens) - 1) // PAGE]
        pages.hold(found)
        self.path = found
        self.pages = [node.page for node in found]
        self.computed = len(found) * PAGE
        self.table = None

    def missing(self, upto: int) -> int:
        """Count the pages that it needs so as to have `upto` tokens in the cache."""
        return -(-upto // PAGE) - len(self.pages)

    def grow(self, pages: Pages, count: int) -> None:
        """Take so many more pages; the caller has looked for room."""
        most = -(-(len(self.ask.prompt) + self.ask.max_tokens) // PAGE)
        taken = pages.take(count, self.pages[-1] if self.pages else -1, max(0, most - len(self.pages) - count))
        self.own.update(taken)
        self.pages += taken
        self.table = None

    def note_computed(self, upto: int, pages: Pages) -> None:
        """Note that all tokens up to here are in the cache, and make full pages known to others."""
        self.computed = upto
        while pages.shares and (len(self.path) + 1) * PAGE <= upto:
            start = len(self.path) * PAGE
            parent = self.path[-1] if self.path else None
            tokens = tuple(self.tokens[start : start + PAGE])
            page = self.pages[len(self.path)]
            node = pages.keep(self.root, parent, tokens, page)
            if node is not None:
                self.own.discard(page)
            self.path.append(node or pages.found(self.root, parent, tokens))

    def let_go(self, pages: Pages) -> None:
        """Give all pages back; what it has computed is found again as a prefix for as long as that is kept."""
        pages.release(self.path)
        pages.give(self.own)
        if self.pages:
            pages.open_behind(self.pages[-1])
        self.pages, self.path, self.own = [], [], set()
        self.computed, self.table, self.state = 0, None, None

    def shares(self, other: "Sequence") -> int:
        """Count the full pages that it will have in common with another one that is still reading its prompt."""
        if self.root != other.root:
            return 0
        most = min(len(self.tokens) - 1, len(other.tokens)) // PAGE
        for page in range(most):
            at = slice(page * PAGE, (page + 1) * PAGE)
            if self.tokens[at] != other.tokens[at]:
                return page
        return most
