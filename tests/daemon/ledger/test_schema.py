"""The ledger's tables, and a ledger of an older version."""

import sqlite3
from pathlib import Path

from hotswapd.daemon.answers import VerdictRecord
from hotswapd.daemon.ledger.ledger import Ledger
from hotswapd.daemon.ledger.schema import _SCHEMA, VERSION


def test_an_older_ledger_is_brought_up_with_its_rows(tmp_path: Path) -> None:
    """Its rows have no verdicts, and new ones can be written."""
    path = tmp_path / "ledger.sqlite"
    old = _SCHEMA.replace(",\n    verify TEXT NOT NULL DEFAULT '[]'", "")
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
