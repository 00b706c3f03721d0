"""Help that teaches: every command has a sentence and an example, and what is shown can be typed."""

import re
from pathlib import Path

import pytest

from daemons.cli.app import EXIT_CODES, run
from daemons.cli.exits import Exit
from tests.cli.command_lines import PROGRAM, commands, parse

README = Path(__file__).parents[2] / "README.md"
KNOWN = dict(commands())


@pytest.mark.parametrize("name", KNOWN)
def test_every_command_has_a_sentence_and_an_example_that_can_be_typed(name: str) -> None:
    sentence, _, example = KNOWN[name].partition("Example:")

    assert sentence.strip().endswith("."), f"{name} needs a sentence"
    assert example.strip(), f"{name} needs a line in its docstring: Example: {name} …"
    lines = [part[part.index(PROGRAM) :] for part in re.split(r"\|\|?|&&", example) if PROGRAM in part]
    assert any(line.startswith(name) for line in lines), f"the example of {name} is of something else"
    for line in lines:
        parse(line.strip())


@pytest.mark.parametrize("typed", [(), ("pause",), ("records", "import"), ("records",)])
def test_switches_are_shown_without_a_value(typed: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*typed, "--help"]) == 0

    told = capsys.readouterr().out
    assert "--help" in told
    assert "bool" not in told


def test_the_exit_codes_are_told_and_are_those_that_there_are() -> None:
    assert [int(code) for code in re.findall(r"(?<=[ .])(\d+) ", EXIT_CODES)] == list(Exit)


def test_the_readme_names_only_commands_that_there_are() -> None:
    text = README.read_text("utf-8")
    block = text.partition("## Commands")[2].partition("##")[0]
    named = set(re.findall(rf"`?{PROGRAM} ((?:[a-z][a-z-]*[ |]?)+)", block))

    words = {word for line in named for word in re.split(r"[ |]", line) if word}
    existing = {word for name in KNOWN for word in name.split()} | {"token"}
    assert named
    assert words <= existing, f"the README names {words - existing}"


def test_every_line_of_the_guide_to_describing_can_be_typed() -> None:
    text = (README.parent / "docs" / "describe.md").read_text("utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    lines = [line.partition(" #")[0] for block in blocks for line in block.splitlines() if line.startswith(PROGRAM)]

    assert len(lines) > 5
    for line in lines:
        parse(line)
