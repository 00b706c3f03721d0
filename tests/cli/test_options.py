"""The options that every command understands."""

import os
from pathlib import Path

import pytest

from daemons.cli.address import Address
from daemons.cli.options import Options, Output, hoist


def options(tmp_path: Path, server: str | None = None, token: str | None = None) -> Options:
    return Options(server, token, Output.TABLE, False, False, None, None, tmp_path)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["status", "-o", "json"], ["-o", "json", "status"]),
        (["jobs", "ls", "--output=name", "-q"], ["--output=name", "-q", "jobs", "ls"]),
        (["--no-color", "status", "--timeout", "3", "demo"], ["--no-color", "--timeout", "3", "status", "demo"]),
        (["start", "--", "-q"], ["start", "--", "-q"]),
        (["logs", "-n", "5", "-f"], ["logs", "-n", "5", "-f"]),
        (["status", "-o"], ["-o", "status"]),
    ],
)
def test_they_may_stand_before_or_after_the_command(typed: list[str], meant: list[str]) -> None:
    assert hoist(typed) == meant


def test_the_running_deck_of_the_data_directory_is_the_one_to_talk_to(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("canary\n")
    Address.of_this_process("http://127.0.0.1:9999/deck").write(tmp_path)

    with options(tmp_path).deck() as deck:
        assert deck.url == "http://127.0.0.1:9999/deck"
        assert deck._headers == {"Authorization": "Bearer canary"}


def test_without_one_it_is_the_address_of_the_settings(tmp_path: Path) -> None:
    with options(tmp_path).deck() as deck:
        assert deck.url == "http://127.0.0.1:8420"


def test_this_machines_token_is_not_told_to_another_machine(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("canary")

    with options(tmp_path, server="https://deck.example").deck() as deck:
        assert deck._headers == {}
    with options(tmp_path, server="https://deck.example", token="mine").deck() as deck:
        assert deck._headers == {"Authorization": "Bearer mine"}
    with options(tmp_path, server="http://localhost:1").deck() as deck:
        assert deck._headers == {"Authorization": "Bearer canary"}


def test_the_address_of_a_dead_deck_is_not_asked_and_gets_no_token(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("canary")
    Address("http://127.0.0.1:9999", os.getpid(), 1.0).write(tmp_path)

    with options(tmp_path).deck() as deck:
        assert deck.url == "http://127.0.0.1:8420"
        assert deck._headers == {}


def test_a_spoilt_address_is_no_address(tmp_path: Path) -> None:
    for text in ("", "{", "[]", '{"url": 1}'):
        (tmp_path / "deck.json").write_text(text)
        assert Address.read(tmp_path) is None


def test_a_deck_withdraws_only_its_own_address(tmp_path: Path) -> None:
    mine, other = Address("http://127.0.0.1:1", 1, 1.0), Address("http://127.0.0.1:2", 2, 2.0)
    mine.write(tmp_path)
    other.write(tmp_path)

    mine.withdraw(tmp_path)
    assert Address.read(tmp_path) == other

    other.withdraw(tmp_path)
    assert Address.read(tmp_path) is None
    assert list(tmp_path.iterdir()) == []
