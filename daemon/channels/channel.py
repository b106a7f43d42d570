"""One channel: what it has live and beside that, what watches it, and the way back."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import structlog

from hotswapd.daemon.config.current import Current
from hotswapd.daemon.engines.protocol import Engine
from hotswapd.daemon.ledger.generation import Generation
from hotswapd.daemon.ledger.ledger import Ledger, LedgerDown
from hotswapd.daemon.live.going_live import Listener, Live
from hotswapd.daemon.live.guard import Guard
from hotswapd.daemon.live.rollback import Rollback
from hotswapd.daemon.live.shadow import Ask
from hotswapd.daemon.live.watch import LiveWatch
from hotswapd.daemon.rollout.beside import Beside
from hotswapd.daemon.rollout.rollouts import Rollouts
from hotswapd.daemon.rollout.traffic import Traffic
from hotswapd.loaders.store.store import Store

from .watched import Noting, Watched

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Channel:
    """The parts of one channel. Their own docstrings say on which threads they may be used."""

    name: str
    live: Live
    rollouts: Rollouts
    traffic: Traffic
    watch: LiveWatch
    guard: Guard
    rollback: Rollback

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to poll for. For the worker's thread."""
        return self.guard.is_idle and not self.rollouts.runs

    def poll(self) -> None:
        """Judge what is live and what is beside it. For the worker's thread. Raises ResidentLost."""
        for step in (self.guard.poll, self.rollouts.poll):  # one that fails stops no other
            try:
                step()
            except LedgerDown as error:
                log.debug("ledger_down", channel=self.name, detail=str(error))

    def has(self, number: int) -> bool:
        """Tell whether a generation that requests may name is this channel's. Legal on any thread."""
        known = {0, self.live.now.number, self.traffic.number(), *(one.number for one in self.live.former)}
        return number in known


@dataclass(frozen=True, slots=True)
class Making:
    """Makes channels; a new one has generation 0 live. Legal on any thread.

    `listener` makes whoever follows what a channel has live. The rest is what its parts take.
    """

    engine: Engine
    ledger: Ledger
    store: Store
    current: Current
    base: Generation
    listener: Callable[[LiveWatch], Listener]
    on_step: Callable[[str], None]
    wake: Callable[[], None]
    running: Callable[[], float]
    watched: Watched = field(default_factory=Watched)
    ask: Ask | None = None

    def channel(self, name: str) -> Channel:
        """Make one."""
        engine, ledger, store, settings = self.engine, self.ledger, self.store, self.current.now
        base = replace(self.base, channel=name)
        watch = LiveWatch(settings.verify_of(name).watch, self.wake, running=self.running, ask=self.ask)
        watch.sample.keep(settings.verify_of(name).replay.outcome != "off")
        traffic = Traffic(self.wake)
        beside = Beside(engine, ledger, traffic)
        listener = Noting(self.watched, watch, self.listener(watch))
        live = Live(engine, ledger, store, beside, base, listener, self.on_step)
        rollouts = Rollouts(engine, ledger, settings.rollout_of(name), live, beside, self.running)
        rollback = Rollback(live, engine, ledger, store, base)
        return Channel(name, live, rollouts, traffic, watch, Guard(watch, ledger, live, rollback), rollback)
