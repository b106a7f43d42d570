"""Which mounts concern a directory, read from the kernel's table."""

from pathlib import Path

import pytest

from hotswapd.loaders.local.mounts import MountAlarm, mounts_of

TABLE = """\
20 1 8:1 / / rw - ext4 /dev/root rw
21 20 0:30 / /proc rw - proc proc rw
30 20 8:2 / /srv rw shared:1 - ext4 /dev/sdb rw
31 30 8:3 / /srv/with\\040space rw - xfs /dev/sdc rw
32 30 8:4 /part /srv/adapters/team rw - xfs /dev/sdd rw
33 30 8:5 / /srv/adapters2 rw - xfs /dev/sde rw
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "mountinfo"
    path.write_text(TABLE)
    return path


def numbers(path: str, table: Path) -> list[str]:
    return [one[0] for one in mounts_of(path, str(table))]


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/srv/adapters", ["30", "32"]),
        ("/srv/adapters/team/run", ["32"]),
        ("/srv/with space/a", ["31"]),
        ("/home", ["20"]),
        ("/", ["20", "21", "30", "31", "32", "33"]),
    ],
)
def test_the_mount_of_a_path_and_those_below_it_count(path: str, wanted: list[str], table: Path) -> None:
    assert numbers(path, table) == wanted


def test_the_last_mount_at_a_place_is_the_one_that_is_seen(table: Path) -> None:
    with table.open("a") as lines:
        lines.write("40 30 8:9 / /srv rw - ext4 /dev/sdz rw\n")
    assert numbers("/srv/adapters", table)[0] == "40"


def test_options_are_no_part_of_a_mount(table: Path) -> None:
    before = mounts_of("/srv", str(table))
    table.write_text(TABLE.replace("/srv rw", "/srv ro"))
    assert mounts_of("/srv", str(table)) == before


def test_an_unreadable_table_shows_no_mounts(tmp_path: Path) -> None:
    assert mounts_of("/srv", str(tmp_path / "none")) == ()


def test_an_alarm_ends_and_may_be_stopped_twice(tmp_path: Path) -> None:
    alarm = MountAlarm(str(tmp_path), lambda: None)
    assert not alarm.changed()
    alarm.stop()
    alarm.stop()
    assert not alarm._thread.is_alive()
