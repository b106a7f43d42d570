"""The configuration that holds now."""

from hotswapd.daemon.config.current import Current
from hotswapd.daemon.config.settings import Settings
from hotswapd.daemon.config.tables import Model


def test_a_reload_replaces_it_whole() -> None:
    """Who has the old one keeps it."""
    first, second = (Settings(model=Model(base=name)) for name in ("a", "b"))
    current = Current(first)
    held = current.now
    current.renew(second)
    assert (held, current.now) == (first, second)
