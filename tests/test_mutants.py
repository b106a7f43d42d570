"""What `make mutants` changes: the same seed draws the same changes, each is one that Python can read, none stays."""

import ast
from pathlib import Path

import pytest
from kits.mutant_tests import stages
from kits.mutations import Mutation, mutations, sample

ROOT = Path(__file__).parents[1]
FILE = Path("daemon/ledger/file.py")
CODE = """
def f(self, a, b):
    if a < b and b:
        raise ValueError
    with self._lock:
        os.fsync(a)
        log.info("x")
    return g(a, b) if a == 1 else True
"""


def made(text: str = CODE) -> list[Mutation]:
    return mutations(Path("f.py"), text)


def applied(one: Mutation, text: str = CODE) -> str:
    return text[: one.start] + one.new + text[one.end :]


def test_each_kind_of_change_is_found() -> None:
    """What is only said (a log line) is left alone; durability, locks and raises are aimed at."""
    kinds = {one.what.partition(":")[0] for one in made()}
    assert kinds == {
        "another comparison",
        "and/or exchanged",
        "condition negated",
        "raise deleted",
        "lock removed",
        "call deleted",
        "returns None",
        "arguments exchanged",
        "1 plus one",
        "True turned",
    }
    assert {one.what.partition(":")[0] for one in made() if one.aimed} == {
        "raise deleted",
        "lock removed",
        "call deleted",
    }
    assert not any("log.info" in one.what for one in made())


def test_how_a_class_is_made_is_left_alone() -> None:
    """``frozen=False`` and ``slots=False`` change nothing that runs: mypy holds the one, and nobody needs the other."""
    text = "@dataclass(frozen=True, slots=True)\nclass A:\n    x: bool = True\n"
    assert [(one.line, one.new) for one in made(text)] == [(3, "False")]


@pytest.mark.parametrize("one", made(), ids=str)
def test_a_change_can_be_read_and_is_one(one: Mutation) -> None:
    assert ast.dump(ast.parse(applied(one))) != ast.dump(ast.parse(CODE))


def test_a_file_with_letters_of_several_bytes_is_changed_in_the_right_place() -> None:
    text = 'x = "ä"; y = 1 < z\n'
    (one,) = [one for one in made(text) if one.what.startswith("another comparison")]
    raw = text.encode()
    assert (raw[: one.start] + one.new.encode() + raw[one.end :]).decode() == 'x = "ä"; y = 1 <= z\n'


def test_the_same_seed_draws_the_same() -> None:
    """A third is aimed, and no line is drawn twice."""
    all_of_them = mutations(FILE, (ROOT / FILE).read_text())
    drawn = sample(all_of_them, 9, seed=3)
    assert drawn == sample(all_of_them, 9, seed=3) != sample(all_of_them, 9, seed=4)
    assert len({one.line for one in drawn}) == 9
    assert sum(one.aimed for one in drawn) == 3


def test_a_change_is_made_in_the_copy_and_taken_back(tmp_path: Path) -> None:
    (tmp_path / "f.py").write_text(CODE)
    one = made()[0]
    one.apply(tmp_path)
    assert (tmp_path / "f.py").read_text() == applied(one)
    one.undo(tmp_path, CODE.encode())
    assert (tmp_path / "f.py").read_text() == CODE


def test_the_nearest_tests_come_first_and_none_twice() -> None:
    found = list(stages(ROOT, FILE))
    assert found[0] == [Path("tests/daemon/ledger/test_file.py")]
    flat = [one for stage in found for one in stage]
    assert len(flat) == len(set(flat))
    assert all((ROOT / one).exists() for one in flat)


def test_a_file_that_takes_a_lock_is_read_for_it_soon() -> None:
    locks = Path("tests/test_locks.py")
    for file in (FILE, Path("daemon/serve/keys_file.py")):
        assert [locks] == list(stages(ROOT, file))[1]
    assert not any(locks in stage for stage in stages(ROOT, Path("daemon/host/users.py")))


def test_the_only_lock_of_a_file_can_be_taken_away(tmp_path: Path) -> None:
    (tmp_path / "f.py").write_text("class A:\n    def __init__(self):\n        self._lock = threading.Lock()\n")
    assert [Path("tests/test_locks.py")] in list(stages(tmp_path, Path("f.py")))


def test_a_page_that_is_made_from_a_file_is_among_its_tests() -> None:
    flat = [one for stage in stages(ROOT, Path("daemon/report/fields.py")) for one in stage]
    assert Path("tests/docs/test_answers_page.py") in flat
