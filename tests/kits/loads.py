"""What users and attackers do to a daemon that watches its live generation: nothing that may change what is live.

Each load is one client's next request; many clients run it at once, each from an address of its own in 127.0.0.0/8.
"""

import json
import random
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

from kits.faults import NO_ANSWER
from kits.training import SPEECH, text

_PATIENCE = 120.0
_REST = 0.05
"""Seconds that a client waits where it was turned away."""
TURNED_AWAY = (429, 503)
_LATIN = "gallia est omnis divisa in partes tres quarum unam incolunt belgae aliam aquitani tertiam qui ipsorum lingua"


class Client:
    """One that sends requests from 127.0.0.`number`, one after the other."""

    def __init__(self, url: str, number: int) -> None:
        self._url = urlsplit(url)
        self._source = (f"127.0.0.{number}", 0)
        self._rest = threading.Event()
        self.rng = random.Random(number)

    def ask(self, prompt: str, tokens: int = 16, **fields: Any) -> tuple[int, Any]:
        """Ask for a completion, greedily if nothing else is said; return status and body, and rest if turned away."""
        body = {"model": "base", "prompt": prompt, "max_tokens": tokens, "temperature": 0} | fields
        with closing(self._connection()) as connection:
            self._send(connection, body)
            got = connection.getresponse()
            found = got.status, json.load(got)
        if found[0] in TURNED_AWAY:
            self._rest.wait(_REST)
        return found

    def leave(self, prompt: str, events: int, tokens: int = 200) -> None:
        """Ask for a stream, and go away after so many of its lines; after 0 without waiting for an answer."""
        body = {"model": "base", "prompt": prompt, "max_tokens": tokens, "temperature": 0, "stream": True}
        with closing(self._connection()) as connection, suppress(*NO_ANSWER):
            self._send(connection, body)
            if events:
                got = connection.getresponse()
                for _ in range(2 * events):  # each is a line with an empty one behind it
                    got.readline()

    def lose_patience(self, prompt: str, seconds: float) -> None:
        """Ask, and hang up when the whole answer has not come by then."""
        body = {"model": "base", "prompt": prompt, "max_tokens": 200, "ignore_eos": True}
        with closing(self._connection(seconds)) as connection, suppress(TimeoutError):
            self._send(connection, body)
            connection.getresponse()

    def _connection(self, patience: float = _PATIENCE) -> HTTPConnection:
        return HTTPConnection(str(self._url.hostname), self._url.port, timeout=patience, source_address=self._source)

    def _send(self, connection: HTTPConnection, body: dict[str, Any]) -> None:
        connection.request("POST", "/v1/completions", json.dumps(body), {"Content-Type": "application/json"})


Act = Callable[[Client], object]


def answered(client: Client, prompt: str, tokens: int = 16, **fields: Any) -> None:
    """Ask what must be answered, or turned away for now."""
    status, body = client.ask(prompt, tokens, **fields)
    assert status in (200, *TURNED_AWAY), body


def plain(client: Client) -> None:
    kind = client.rng.choice(list(SPEECH))
    answered(client, text(kind, client.rng.randrange(1000), 60), client.rng.randrange(8, 40))


def long_prompts(client: Client) -> None:
    answered(client, text("all", client.rng.randrange(1000), 400), 16)


def short_answers(client: Client) -> None:
    answered(client, text("all", client.rng.randrange(1000), 40), client.rng.randrange(1, 4))


def tables(client: Client) -> None:
    """Rows of dashes: many an answer goes on with them for ever."""
    answered(client, f"| a | b |\n|{'-' * client.rng.randrange(20, 60)}|{'-' * 30}", 48)


def another_language(client: Client) -> None:
    """One that neither the base nor the adapter knows."""
    answered(client, " ".join(client.rng.choices(_LATIN.split(), k=8)), 48)


def strange_letters(client: Client) -> None:
    """Letters that neither has ever read: some adapters repeat themselves on them, and others do not."""
    answered(client, "".join(client.rng.choices("αβγδεζηθικλμνξοπρστυφχψω ", k=40)), 48)


def impatient(client: Client) -> None:
    client.leave(text("all", client.rng.randrange(1000), 40), client.rng.randrange(1, 4))


def creative(client: Client) -> None:
    """Hot, with penalties: what comes of that says nothing of the adapter."""
    answered(client, text("all", client.rng.randrange(1000), 40), 48, temperature=1.6, presence_penalty=1.0)


def tiny_temperature(client: Client) -> None:
    answered(client, "aaaaaaaa" * 5, 48, temperature=1e-300)


def repeated(client: Client) -> None:
    """Prompts that make a model repeat itself."""
    answered(client, client.rng.choice("aeA-. 1") * 60, 48)


def bias(client: Client) -> None:
    """The same token for ever, by the client's own wish."""
    answered(client, "x", 48, logit_bias={"7": 100})


def no_end(client: Client) -> None:
    answered(client, "." * 60, 48, ignore_eos=True, min_tokens=48)


def bad_asks(client: Client) -> None:
    """Requests that cannot be answered, each in another way."""
    wrong: dict[str, Any] = client.rng.choice(
        [{"tokens": 100_000}, {"temperature": -1}, {"n": 0}, {"prompt": "x" * 5000}, {"model": "base@g99"}]
    )
    status, _ = client.ask(**{"prompt": "x", **wrong})
    assert 400 <= status < 500


def leaving(client: Client) -> None:
    client.leave("x" * 40, client.rng.randrange(2))


@dataclass(frozen=True, slots=True)
class Load:
    """`clients` at once do `act`, from as many addresses or from `addresses`; beside them are so many plain users."""

    act: Act
    clients: int
    addresses: int = 0
    beside: int = 0

    def asking(self, url: str) -> list[Callable[[], object]]:
        """Return each client's next request, those of the plain users last."""
        of_theirs = self.addresses or self.clients
        ours = [Client(url, 2 + at % min(of_theirs, 200)) for at in range(self.clients)]
        users = [Client(url, 210 + at) for at in range(self.beside)]
        return [*(partial(self.act, one) for one in ours), *(partial(plain, one) for one in users)]


def honest(queue: int) -> dict[str, Load]:
    """Ten kinds, the crowds after a quiet time; `queue` are as many requests as may wait."""
    return {
        "a cold start": Load(plain, 4),
        "one user": Load(plain, 1),
        "64 users": Load(plain, 64),
        "200 users": Load(plain, 200),
        "long prompts": Load(long_prompts, 6),
        "short answers": Load(short_answers, 6),
        "code and tables": Load(tables, 3, beside=3),
        "a language that nobody knows": Load(another_language, 6),
        "an overflowing queue": Load(plain, queue + 48),
        "impatient users": Load(impatient, 6, beside=1),
        "creative sampling": Load(creative, 6),
    }


UNREAD = Load(strange_letters, 6)
"""Honest, and no false alarm if it brings back what was live before: greedy answers are held against each other."""


def hostile(share: int = 2) -> dict[str, Load]:
    """One attacker with so many requests at once beside four users, but for the six who agree on what they do."""
    acts: dict[str, Act] = {
        "temperatures of 1e-300": tiny_temperature,
        "prompts that repeat": repeated,
        "a bias for one token": bias,
        "no end": no_end,
        "requests that cannot be answered": bad_asks,
        "leaving early": leaving,
        "long prompts": long_prompts,
    }
    alone = {name: Load(act, share, addresses=1, beside=4) for name, act in acts.items()}
    return alone | {"six with prompts that repeat": Load(repeated, 6, beside=4)}
