"""The ledger's tables, and a ledger of an older version."""

import shutil
import sqlite3
from pathlib import Path

import pytest

from hotswapd.daemon.answers import VerdictRecord
from hotswapd.daemon.ledger.attempts import SWAP
from hotswapd.daemon.ledger.ledger import Ledger, NewerLedger
from hotswapd.daemon.ledger.schema import VERSION


def test_an_older_ledger_is_brought_up_with_its_rows(tmp_path: Path) -> None:
    """Its rows have no verdicts, and new ones can be written."""
    path = tmp_path / "ledger.sqlite"
    shutil.copy(Path(__file__).with_name("version-2.sqlite"), path)
    database = sqlite3.connect(path)
    database.executescript("ALTER TABLE swaps DROP COLUMN verify; PRAGMA user_version=1;")
    database.execute(
        "INSERT INTO swaps (swap_id, seq, source, uri, revision, stamp, state, sighted)"
        " VALUES ('a', 100, 's', 'file:///a', 'r', 0.0, 'REJECTED', 0.0)"
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
    assert (ledger.was_lost, ledger.flags.pinned(), ledger.generations.next_number()) == (False, True, 3)
    assert {row.identity for row in ledger.rows.history(9)} == {""}
    live = ledger.rows.live()
    assert live is not None
    ledger.identify("s", [("files", live.uri, live.revision)])
    assert ledger.rows.same_files("files", live.digest) == ledger.rows.live()
    assert set(ledger.rows.moved([live.revision])) == {("default", live.revision)}
    ledger.close()
    assert sqlite3.connect(path).execute("PRAGMA user_version").fetchone() == (VERSION,)
    assert _names(path) == _names(_new(tmp_path))


def test_a_ledger_of_version_3_belongs_to_the_default_channel(tmp_path: Path) -> None:
    """The directory beside this file was written by the program before there were channels."""
    path = tmp_path / "ledger.sqlite"
    shutil.copy(Path(__file__).with_name("version-3") / "ledger.sqlite", path)
    ledger = Ledger(path)
    assert [f"{row.state} {row.reason}".strip() for row in reversed(ledger.rows.history(9, "default"))] == [
        "RETIRED",
        "REJECTED rank_too_high",
        "LIVE",
        "ROLLED_BACK probe_not_finite",
        "HELD pinned",
        "WAITING incomplete",
    ]
    assert ledger.rows.history(9) == ledger.rows.history(9, "default")
    live = ledger.rows.live()
    assert live is not None
    assert (live.uri, ledger.rows.place(live.uri)) == ("file:///s/b", live.digest)
    assert (ledger.flags.pinned(), ledger.flags.get("high_water")) == (True, live.seq)
    assert [one.channel for one in ledger.generations.newest(9)] == ["default", "default"]
    ledger.attempts.count_deaths()
    assert ledger.attempts.deaths("ab" * 32, SWAP) == (1, "staging")
    assert (ledger.rows.live("support"), ledger.channels.all()) == (None, [])
    ledger.close()
    assert _names(path) == _names(_new(tmp_path))


def test_a_newer_ledger_is_left_alone(tmp_path: Path) -> None:
    """The sentence says what to do; nothing is moved, made or written."""
    path = tmp_path / "ledger.sqlite"
    Ledger(path).close()
    with sqlite3.connect(path) as database:
        database.execute(f"PRAGMA user_version = {VERSION + 1}")
    database.close()
    content = path.read_bytes()
    with pytest.raises(NewerLedger, match="start the newer version, or restore the copy"):
        Ledger(path)
    assert (path.read_bytes(), [one.name for one in tmp_path.iterdir()]) == (content, ["ledger.sqlite"])


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
