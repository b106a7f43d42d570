"""The configuration that holds now: a reload replaces it whole."""

from .settings import Settings


class Current:
    """Read on any thread; `renew` is for the main thread."""

    def __init__(self, settings: Settings) -> None:
        """Begin with what was read at the start."""
        self._now = settings

    @property
    def now(self) -> Settings:
        """The configuration as the last reload left it."""
        return self._now

    def renew(self, settings: Settings) -> None:
        """Go by another one from now on."""
        self._now = settings
