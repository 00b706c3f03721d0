"""The list of faults names every fault once, and no test that is not there."""

import ast
import re
from pathlib import Path

FOLDER = Path(__file__).parent
FAULTS = 72


def rows() -> dict[int, str]:
    """Return the last column of each row by its number."""
    found = re.findall(r"^\| (\d+) \| [^|]+ \| ([^|]+) \|$", (FOLDER / "FAULTS.md").read_text("utf-8"), re.MULTILINE)
    assert len(found) == len(dict(found))
    return {int(number): tests for number, tests in found}


def names_in(file: Path) -> set[str]:
    """Return what a test file defines, methods included."""
    nodes = list(ast.walk(ast.parse(file.read_text("utf-8"))))
    defined = {n.name for n in nodes if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}
    assigned = {t.id for n in nodes if isinstance(n, ast.Assign) for t in n.targets if isinstance(t, ast.Name)}
    return defined | assigned


def test_every_fault_is_listed_with_tests_or_a_reason() -> None:
    listed = rows()

    assert list(listed) == list(range(1, FAULTS + 1))
    assert [number for number, tests in listed.items() if "::" not in tests and "later: " not in tests] == []


def test_every_named_test_is_there() -> None:
    named = set(re.findall(r"`([\w/]+\.py::\w+)`", (FOLDER / "FAULTS.md").read_text("utf-8")))

    missing = []
    for name in sorted(named):
        path, function = name.split("::")
        file = FOLDER / path
        if not file.exists() or function not in names_in(file):
            missing.append(name)

    assert missing == []
