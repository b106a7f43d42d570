"""The table of faults matches the tests: each test that it names exists, and it has as many classes as it says."""

import ast
import re
from collections import Counter
from pathlib import Path

from runs.faults import rows

ROOT = Path(__file__).parents[2]


def functions(file: str) -> set[str]:
    """Name the tests that a file defines."""
    return {node.name for node in ast.parse((ROOT / file).read_text()).body if isinstance(node, ast.FunctionDef)}


def test_there_are_forty_classes_and_none_twice() -> None:
    """Each has a name of its own."""
    names = Counter(fault for fault, _ in rows())
    assert len(names) >= 40
    assert not [name for name, times in names.items() if times > 1]


def test_each_test_in_the_table_exists() -> None:
    """Its file defines it; what is in brackets is one of its cases, by the names that the file gives them."""
    for fault, test in rows():
        file, _, name = test.partition("::")
        function, _, case = name.removesuffix("]").partition("[")
        assert function in functions(file), fault
        words = re.split(r"-(?=root_)", case) if "root_" in case else [case.partition("-")[2]]
        assert all(word in (ROOT / file).read_text() for word in words if word), fault


def test_no_tested_fault_is_missing_from_the_table() -> None:
    """Every test of faults under tests/proof is named by a row."""
    named = {test.partition("::")[2].partition("[")[0] for _, test in rows()}
    for file in sorted((ROOT / "tests" / "proof").glob("test_faults_*.py")):
        if file.name != Path(__file__).name:
            missing = {name for name in functions(f"tests/proof/{file.name}") if name.startswith("test_")} - named
            assert missing <= {"test_with_every_source_down_what_is_live_answers"}
