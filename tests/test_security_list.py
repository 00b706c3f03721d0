"""The list of attacks names no test that is not there; and what is held by reading the sources is held here."""

import ast
import re
from pathlib import Path

from tests.test_faults import names_in
from web.headers import HEADERS

FOLDER = Path(__file__).parent
ROOT = FOLDER.parent
LINES = 31


def rows() -> dict[int, str]:
    """Return the last column of each row by its number."""
    found = re.findall(r"^\| (\d+) \| .+? \| ([^|]+) \|$", (FOLDER / "SECURITY.md").read_text("utf-8"), re.MULTILINE)
    return {int(number): tests for number, tests in found}


def test_every_line_is_listed_with_tests_or_a_reason() -> None:
    listed = rows()

    assert list(listed) == list(range(1, LINES + 1))
    assert [number for number, tests in listed.items() if "::" not in tests and "later: " not in tests] == []


def test_every_named_test_is_there() -> None:
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", (FOLDER / "SECURITY.md").read_text("utf-8"))

    missing = [f"{path}::{name}" for path, name in named if name not in names_in(FOLDER / path)]

    assert missing == []


def test_no_template_lets_markup_or_scripts_in() -> None:
    banned = re.compile(
        r"\|\s*safe\b|\bMarkup\b|autoescape\s+false|<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|hx-on|js:|javascript:",
        re.IGNORECASE,
    )

    found = [
        f"{file.name}: {match[0]}"
        for file in (ROOT / "templates").rglob("*.html")
        for match in banned.finditer(re.sub(r"{#.*?#}", "", file.read_text("utf-8"), flags=re.DOTALL))
    ]

    assert found == []


def test_the_policy_lets_only_our_own_files_run() -> None:
    policy = {part.split()[0]: part.split()[1:] for part in HEADERS["Content-Security-Policy"].split(";")}

    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == ["'none'"]
    assert policy["script-src"] == policy["style-src"] == policy["form-action"] == ["'self'"]
    assert "unsafe" not in HEADERS["Content-Security-Policy"]


def test_nothing_is_run_by_a_shell() -> None:
    """Nothing is evaluated or unpickled either, and nothing is called markup but what stands in the source."""
    banned = {"os.system", "os.popen", "asyncio.create_subprocess_shell", "eval", "exec", "pickle.loads"}

    found = [
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for folder in ("daemons", "web")
        for file in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and (
            ast.unparse(node.func) in banned
            or any(keyword.arg == "shell" for keyword in node.keywords)
            or (ast.unparse(node.func) == "Markup" and not isinstance(node.args[0], ast.Constant))
        )
    ]

    assert found == []
