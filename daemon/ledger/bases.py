"""On which base each generation was verified, by the base's fingerprint."""

from hotswapd.swap.adapter.fingerprints import difference

from .file import LedgerFile


class Bases:
    """Fingerprints by generation. Every method is legal on any thread; those that touch the file raise LedgerDown."""

    def __init__(self, file: LedgerFile) -> None:
        """Until `serve`, nobody knows which base is served, and nothing is noted."""
        self._file = file
        self._served = ""
        self._any = False

    def serve(self, fingerprint: str, *, take_any: bool = False) -> None:
        """Set which base is served from now on; empty if it is unknown. With `take_any`, no other base is elsewhere."""
        self._served = fingerprint
        self._any = take_any

    def note(self, number: int) -> None:
        """Write that a generation was verified on the base that is served."""
        if self._served:
            with self._file.writing() as database:
                database.execute("INSERT OR REPLACE INTO bases VALUES (?, ?)", (number, self._served))

    def elsewhere(self, number: int) -> str:
        """Return in what the base differs on which a generation was verified; empty if it does not, or nobody knows."""
        return "" if self._any else self.other(number)

    def other(self, number: int) -> str:
        """Return the same, whichever bases are taken."""
        with self._file.reading() as database:
            found = database.execute("SELECT fingerprint FROM bases WHERE number = ?", (number,)).fetchone()
        return difference(str(found[0]), self._served) if found else ""
