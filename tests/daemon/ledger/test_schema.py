"""The ledger's tables, and a ledger of an older version."""

import shutil
import sqlite3
from pathlib import Path

from hotswapd.daemon.answers import VerdictRecord
from hotswapd.daemon.ledger.ledger import Ledger
from hotswapd.daemon.ledger.schema import _SCHEMA, VERSION


def test_an_older_ledger_is_brought_up_with_its_rows(tmp_path: Path) -> None:
    """Its rows have no verdicts, and new ones can be written."""
    path = tmp_path / "ledger.sqlite"
    old = _SCHEMA.replace(",\n    verify TEXT NOT NULL DEFAULT '[]', identity TEXT NOT NULL DEFAULT ''", "")
    old = "\n".join(
        line for line in old.splitlines() if "swaps_by_revision" not in line and "swaps_by_identity" not in line
    )
    assert old != _SCHEMA
    database = sqlite3.connect(path)
    database.executescript(f"{old} PRAGMA user_version=1;")
    database.execute(
        "INSERT INTO swaps (swap_id, seq, source, uri, revision, stamp, state, sighted)"
        " VALUES ('a', 1, 's', 'file:///a', 'r', 0.0, 'REJECTED', 0.0)"
    )
    database.commit()
    database.close()
    ledger = Ledger(path)
    row = ledger.rows.get("a")
    assert (row.verify, ledger.was_lost) == ((), False)
    found: VerdictRecord = {
        "gate": "probe",
        "outcome": "passed",
        "code": None,
        "sentence": None,
        "numbers": {"loss": 1.5},
    }
    ledger.amend(row, verify=(found,))
    ledger.close()
    again = Ledger(path)
    assert again.rows.get("a").history()["verify"] == [found]
    again.close()
    assert sqlite3.connect(path).execute("PRAGMA user_version").fetchone() == (VERSION,)


def test_a_ledger_of_version_2_is_brought_up_with_its_rows(tmp_path: Path) -> None:
    """The file beside this one was written by the program as it was then."""
    path = tmp_path / "ledger.sqlite"
    shutil.copy(Path(__file__).with_name("version-2.sqlite"), path)
    ledger = Ledger(path)
    assert [f"{row.state} {row.reason}".strip() for row in reversed(ledger.rows.history(9))] == [
        "RETIRED",
        "LIVE",
        "REJECTED rank_too_high",
        "WAITING incomplete",
        "HELD pinned",
    ]
    assert (ledger.was_lost, ledger.flags.pinned, ledger.generations.next_number()) == (False, True, 3)
    assert {row.identity for row in ledger.rows.history(9)} == {""}
    live = ledger.rows.live()
    assert live is not None
    ledger.identify("s", [("files", live.uri, live.revision)])
    assert ledger.rows.same_files("files", live.digest) == ledger.rows.live()
    assert set(ledger.rows.moved([live.revision])) == {live.revision}
    ledger.close()
    assert sqlite3.connect(path).execute("PRAGMA user_version").fetchone() == (VERSION,)
    assert _names(path) == _names(_new(tmp_path))


def _new(directory: Path) -> Path:
    Ledger(directory / "new.sqlite").close()
    return directory / "new.sqlite"


def _names(path: Path) -> set[str]:
    """Name the tables, indices and columns of a ledger."""
    found = sqlite3.connect(path).execute(
        "SELECT s.name || '.' || coalesce(c.name, '') FROM sqlite_schema AS s, pragma_table_info(s.name) AS c"
        " UNION SELECT name FROM sqlite_schema"
    )
    return {str(name) for (name,) in found}
