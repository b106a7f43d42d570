"""A reload of a whole fleet: what one daemon does on SIGHUP, by an operator's word, and lasting."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from hotswapd.daemon.config.errors import ConfigError
from hotswapd.daemon.config.fleet_settings import fleet_problems
from hotswapd.daemon.config.settings import Settings
from hotswapd.daemon.service.reload import changed, open_fresh, read_again

from .rules import Reloads, Rules

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class FleetReloading:
    """Takes a new configuration for all processes. `reload` is legal on any thread.

    `settings` is what holds now, `rules` what of it came after the deployment. `tell` has every process go by new ones.
    """

    reloads: Reloads
    settings: Settings
    rules: Rules
    tell: Callable[[Rules], None] = lambda rules: None
    lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def begin(cls, reloads: Reloads, deployed: Settings) -> "FleetReloading":
        """Go on with what the deployment was given last, or with what it was made of. Raises Unavailable."""
        rules = reloads.newest()
        try:
            return cls(reloads, rules.settings() if rules.version else deployed, rules)
        except ConfigError as error:
            log.error("reload_lost", version=rules.version, detail=str(error))  # noqa: TRY400 - the sentence says it
            return cls(reloads, deployed, Rules(rules.version))

    def reload(self, text: str) -> list[str]:
        """Have the fleet go by these settings, and name the tables that have changed.

        Raises ConfigError with every key that cannot change now, and Unavailable; then nothing has changed.
        """
        with self.lock:
            rules = Rules(self.rules.version + 1, text)
            asked = rules.settings()
            settings = read_again(lambda: _of_a_fleet(asked), self.settings)
            open_fresh(self.settings, settings)  # so that what cannot be watched is refused here
            tables = changed(self.settings, settings)
            if tables and not self.reloads.add(rules):
                raise ConfigError("", "another configuration came at this moment: look at the status, and try again")
            if tables:
                self.settings, self.rules = settings, rules
                self.tell(rules)
        return tables


def _of_a_fleet(settings: Settings) -> Settings:
    if problems := list(fleet_problems(settings)):
        raise ConfigError.of(problems)
    return settings
