"""A constant load: clients that each send their next request when the previous one has ended."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from hotswapd.swap.engine import Engine
from hotswapd.swap.rows.asks import Ask
from hotswapd.swap.rows.tickets import Progress

_LIMIT = 300.0


@dataclass(slots=True)
class Answer:
    """One request by the client's clock: when it wanted to send, and when each token came.

    `times` stays empty if the gate never let it in.
    """

    wanted: float
    generation: int = -1
    times: list[float] = field(default_factory=list)
    error: str = ""


@dataclass(slots=True)
class Load:
    """Clients of an engine, which may be exchanged meanwhile. `gate` lets requests through while it is set."""

    engine: Callable[[], Engine]
    clients: int
    prompt: int
    tokens: int
    vocabulary: int
    gate: threading.Event = field(default_factory=threading.Event)
    answers: list[Answer] = field(default_factory=list)
    _under_way: int = 0
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def run(self, seconds: float, meanwhile: Callable[[float], None]) -> tuple[float, float]:
        """Load the engine for `seconds`, call `meanwhile` with the time of the end, and return begin and end."""
        self.answers = []
        self.gate.set()
        began = time.monotonic()
        end = began + seconds
        threads = [threading.Thread(target=self._client, args=(number, end)) for number in range(self.clients)]
        for thread in threads:
            thread.start()
        meanwhile(end)
        self.gate.set()
        for thread in threads:
            thread.join()
        return began, end

    def drain(self) -> None:
        """Let nothing more in, and wait until the requests under way have ended. Raises TimeoutError."""
        self.gate.clear()
        with self._changed:
            if not self._changed.wait_for(lambda: self._under_way == 0, timeout=_LIMIT):
                raise TimeoutError(f"{self._under_way} requests did not end within {_LIMIT:g} s")

    def _client(self, number: int, end: float) -> None:
        asked = number
        while (wanted := time.monotonic()) < end:
            answer = Answer(wanted)
            if not self._enter(end):
                self.answers.append(answer)
                return
            try:
                self._ask(answer, asked)
            finally:
                self._leave()
            self.answers.append(answer)
            asked += self.clients

    def _enter(self, end: float) -> bool:
        while True:
            if not self.gate.wait(max(0.0, end - time.monotonic())):
                return False
            with self._changed:
                if self.gate.is_set():
                    self._under_way += 1
                    return True

    def _leave(self) -> None:
        with self._changed:
            self._under_way -= 1
            self._changed.notify_all()

    def _ask(self, answer: Answer, number: int) -> None:
        ended = threading.Event()

        def on_progress(progress: Progress) -> None:
            if progress.error:
                answer.error = progress.error
            else:
                answer.times.append(time.monotonic())
            if progress.finish is not None:
                ended.set()

        prompt = tuple((31 * number + 7 * place) % self.vocabulary for place in range(self.prompt))
        answer.generation = self.engine().submit(Ask(prompt, self.tokens, ignore_eos=True), on_progress).generation
        if not ended.wait(_LIMIT):
            raise TimeoutError(f"a request had no answer within {_LIMIT:g} s")


def tokens_per_second(answers: Sequence[Answer], began: float, end: float) -> float:
    """Count the tokens that came between the two times."""
    return sum(began <= at < end for answer in answers for at in answer.times) / (end - began)


def first_tokens(answers: Sequence[Answer], end: float) -> list[float]:
    """Return the seconds from wanting to send to the first token, or at least to the end if none came before it."""
    return [(answer.times[0] if answer.times else max(end, answer.wanted)) - answer.wanted for answer in answers]


def longest_gap(answers: Sequence[Answer]) -> float:
    """Return the longest time (seconds) between two tokens of one answer."""
    gaps = [b - a for answer in answers for a, b in zip(answer.times, answer.times[1:], strict=False)]
    return max(gaps, default=0.0)


def shared_time(answers: Sequence[Answer], began: float, end: float) -> float:
    """Return the share of the time in which answers of two or more generations were under way."""
    edges: list[tuple[float, int, int]] = []
    for answer in answers:
        if answer.times:
            edges += [(answer.wanted, 1, answer.generation), (answer.times[-1], -1, answer.generation)]
    busy: dict[int, int] = {}
    shared, before = 0.0, began
    for at, change, generation in sorted(edges):
        now = min(max(at, began), end)
        if sum(count > 0 for count in busy.values()) > 1:
            shared += now - before
        busy[generation] = busy.get(generation, 0) + change
        before = now
    return shared / (end - began)
