"""Commands against a real deck, each a process of its own."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from select import select

import httpx2
import pytest

from daemons.cli.address import Address
from tests.cli.deck_runner import DeckRunner, Serving

pytestmark = pytest.mark.usefixtures("serving")


def first_words(text: str) -> list[str]:
    return [line.split()[0] for line in text.splitlines()]


@pytest.fixture
def client(deck: DeckRunner, serving: Serving) -> Iterator[httpx2.Client]:
    headers = {"Authorization": f"Bearer {(deck.data_dir / 'token').read_text().strip()}"}
    with httpx2.Client(base_url=serving.url, headers=headers, trust_env=False) as client:
        yield client


def new_job(client: httpx2.Client, **args: int) -> str:
    answer = client.post("/api/jobs", json={"type": "toy_steps", "args": args})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


# Daemons.


def test_status_is_a_line_for_each_daemon(deck: DeckRunner) -> None:
    done = deck.run("status", "demo", "toy_talker")

    assert first_words(done.stdout) == ["NAME", "demo", "toy_talker"]
    assert done.returncode == 0


def test_status_tells_programs_all_that_is_known(deck: DeckRunner) -> None:
    (demo,) = deck.json("status", "demo")

    assert demo["name"] == "demo"
    assert demo["state"] == "stopped"


def test_starting_and_stopping_wait_until_it_is_so(deck: DeckRunner) -> None:
    assert deck.run("start", "toy_talker").stdout == "toy_talker: stopped → running\n"
    assert deck.run("start", "toy_talker").stdout == "toy_talker: running already\n"
    assert deck.run("wake", "toy_talker").stdout == "toy_talker: woken\n"
    assert deck.run("stop", "toy_talker", "--drain").stdout.startswith("toy_talker: running → ")
    assert deck.run("wake", "toy_talker").stdout == "toy_talker: stopped, so nothing was woken\n"
    assert deck.run("stop", "toy_talker").returncode == 0


def test_restart_is_a_new_run(deck: DeckRunner) -> None:
    deck.run("start", "toy_talker")
    (before,) = deck.json("status", "toy_talker")

    assert deck.run("restart", "toy_talker").returncode == 0

    (after,) = deck.json("status", "toy_talker")
    assert after["started_at"] > before["started_at"]
    deck.run("stop", "toy_talker")


def test_a_pause_keeps_its_reason_and_its_end(deck: DeckRunner) -> None:
    deck.run("start", "toy_talker")

    assert deck.run("pause", "toy_talker", "--for", "2h", "--reason", "quiet hours").returncode == 0
    (paused,) = deck.json("status", "toy_talker")
    assert (paused["state"], paused["desired_reason"]) == ("paused", "quiet hours")
    assert paused["paused_until"] is not None

    assert deck.run("resume", "toy_talker").returncode == 0
    assert deck.run("stop", "toy_talker").returncode == 0


def test_a_daemon_that_fails_at_start_is_a_failed_command_with_its_reason(deck: DeckRunner) -> None:
    done = deck.run("start", "toy_broken")

    assert done.returncode == 1
    assert "broken on purpose" in done.stderr
    assert deck.run("status", "toy_broken").returncode == 3
    assert deck.run("stop", "toy_broken").returncode == 0
    assert deck.run("status", "toy_broken").returncode == 0


def test_one_unknown_name_does_not_keep_the_others_from_being_switched(deck: DeckRunner) -> None:
    done = deck.run("start", "nobody", "toy_talker")

    assert done.returncode == 4
    assert done.stdout == "toy_talker: stopped → running\n"
    assert done.stderr.startswith("ERR_UNKNOWN_DAEMON: nobody: ")
    deck.run("stop", "toy_talker")


def test_a_disabled_daemon_refuses(deck: DeckRunner, client: httpx2.Client) -> None:
    client.patch("/api/daemons/demo", json={"enabled": False})

    done = deck.run("start", "demo")

    assert done.returncode == 5
    assert len(done.stderr.splitlines()) == 1
    assert deck.run("status", "demo").returncode == 0
    client.patch("/api/daemons/demo", json={"enabled": True})


def test_all_means_every_enabled_daemon(deck: DeckRunner) -> None:
    done = deck.run("stop", "--all", "-o", "json")

    assert done.returncode == 0
    assert {"demo", "toy_talker"} <= {line["name"] for line in json.loads(done.stdout)}


@pytest.mark.parametrize(
    "typed",
    [
        ("start",),
        ("start", "demo", "--all"),
        ("stop", "demo", "--now", "--drain"),
        ("pause", "demo", "--for", "soon"),
        ("nonsense",),
        ("jobs",),
        ("status", "--timeout", "x"),
    ],
)
def test_a_command_line_that_makes_no_sense_is_told_in_one_line(deck: DeckRunner, typed: tuple[str, ...]) -> None:
    done = deck.run(*typed)

    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("ERR_USAGE: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("config show demo", "extra argument(s) (demo). `daemondeck config show --help` says how it is used."),
        ("inbox", "daemondeck inbox needs a command: ls, get, answer. `daemondeck inbox --help` says"),
        ("records", "daemondeck records needs a command: ls, show, logs, "),
        ("jobs", "daemondeck jobs needs a command: ls, get, "),
        ("status -o xml", "'--output' / '-o': 'xml' is not one of 'table', "),
        ("logs --level loud", "'--level': 'loud' is not one of 'debug', "),
        ("autolog films", "'stills|footage': 'films' is not one of 'stills', 'footage'. `daemondeck autolog --help`"),
    ],
)
def test_a_wrong_command_line_is_told_with_the_command_whose_help_helps(
    deck: DeckRunner, typed: str, told: str
) -> None:
    done = deck.run(*typed.split())

    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr


def test_what_to_do_is_told_in_commands(deck: DeckRunner, serving: Serving) -> None:
    unknown = deck.run("wake", "nobody")
    stranger = deck.run("status", "--token", "wrong")
    option = deck.run("config", "set", "toy_talker", "nonsense=1")

    assert unknown.stderr.endswith(" `daemondeck status` lists them.\n")
    assert "--token or DAEMONDECK_TOKEN" in stranger.stderr
    assert "`daemondeck types -o json` lists the options" in option.stderr
    assert not any("GET /api" in done.stderr or "header" in done.stderr for done in (unknown, stranger, option))


def test_watching_tells_each_change(deck: DeckRunner) -> None:
    watching = deck.popen("status", "--watch", "toy_talker")
    try:
        assert watching.stdout.readline() == "toy_talker  stopped  -\n"
        deck.run("start", "toy_talker")

        seen = iter(watching.stdout.readline, "")
        assert any("Waiting to be woken" in line for line in seen)
    finally:
        watching.kill()
        watching.communicate()
        deck.run("stop", "toy_talker")


def test_every_call_is_told_to_who_asks_for_it(deck: DeckRunner) -> None:
    done = deck.run("status", "demo", "-v", "-o", "name")

    assert done.stdout == "demo\n"
    assert "/api/daemons/demo 200 " in done.stderr
    assert deck.run("status", "demo", "--utc", "--yes", "-o", "wide").returncode == 0


# Logs.


def test_logs_are_filtered_by_level_and_number(deck: DeckRunner) -> None:
    deck.run("start", "toy_talker")
    deck.run("stop", "toy_talker")

    assert [line["message"] for line in deck.json("logs", "toy_talker", "--level", "error", "-n", "1")] == [
        "turn 1 at error"
    ]
    newest = deck.run("logs", "toy_talker", "-n", "3").stdout.splitlines()
    assert [line.split()[1] for line in newest] == ["DEBUG", "INFO", "ERROR"]
    assert "toy_talker: turn 1 at info" in deck.run("logs").stdout


def test_logs_are_searched_by_text_and_time(deck: DeckRunner) -> None:
    deck.run("start", "toy_talker")
    deck.run("stop", "toy_talker")

    found = deck.json("logs", "toy_talker", "--grep", "AT ERROR", "--since", "1h", "-n", "1")
    assert [line["level"] for line in found] == ["error"]
    assert deck.json("logs", "toy_talker", "--since", "2999-01-01") == []
    assert deck.json("logs", "--grep", "nobody says this") == []


def test_following_goes_on_with_what_is_logged(deck: DeckRunner) -> None:
    deck.run("start", "toy_talker")
    following = deck.popen("logs", "toy_talker", "-f", "-n", "1")
    try:
        assert "turn 1 at error" in following.stdout.readline()
        deck.run("wake", "toy_talker")

        lines = [following.stdout.readline() for _ in range(3)]
        assert [line.strip().split(": ")[1] for line in lines] == [
            "turn 2 at debug",
            "turn 2 at info",
            "turn 2 at error",
        ]
    finally:
        following.kill()
        following.communicate()
        deck.run("stop", "toy_talker")


def test_following_everybody_without_what_was_before(deck: DeckRunner) -> None:
    deck.run("start", "toy_talker")
    before = deck.run("logs", "--level", "error").stdout
    following = deck.popen("logs", "-f", "-n", "0", "--level", "error")
    try:
        # Woken until the follower is there to hear it: nothing tells us when it is.
        first = ""
        while not first:
            deck.run("wake", "toy_talker")
            first = following.stdout.readline() if select([following.stdout], [], [], 0.2)[0] else ""

        assert "at error" in first
        assert first not in before
    finally:
        following.kill()
        following.communicate()
        deck.run("stop", "toy_talker")


def test_logs_of_nobody_are_an_unknown_name(deck: DeckRunner) -> None:
    assert deck.run("logs", "nobody").returncode == 4
    assert deck.run("logs", "3f1e5a40-0000-4000-8000-000000000000").returncode == 4


# Jobs.


def test_a_job_is_listed_shown_cancelled_and_tried_again(deck: DeckRunner, client: httpx2.Client) -> None:
    job_id = new_job(client, steps=5, wait_after=2)

    assert job_id in deck.run("jobs", "ls", "--state", "queued,running", "-o", "name").stdout
    assert deck.run("jobs", "retry", job_id).returncode == 5
    assert deck.run("jobs", "cancel", job_id).returncode == 0
    assert deck.run("logs", job_id).returncode == 0

    shown = deck.run("jobs", "get", job_id)
    assert shown.returncode == 0
    assert job_id in shown.stdout


def test_an_unknown_job_is_an_unknown_name(deck: DeckRunner) -> None:
    for command in ("get", "cancel", "retry"):
        done = deck.run("jobs", command, "no-such-job")
        assert done.returncode == 4
        assert done.stdout == ""


def test_a_state_that_does_not_exist_is_refused_with_those_that_do(deck: DeckRunner) -> None:
    done = deck.run("jobs", "ls", "--state", "nope")

    assert done.returncode == 2
    assert "queued, running" in done.stderr


def test_an_empty_list_is_an_empty_list(deck: DeckRunner) -> None:
    assert deck.json("jobs", "ls", "--type", "demo_count") == []


# Who may.


def test_tokens_are_made_listed_and_revoked(deck: DeckRunner) -> None:
    secret = deck.run("token", "add", "ci", "--role", "viewer", "--expires", "30d", "-q").stdout.strip()

    assert deck.run("status", "demo", "--token", secret).returncode == 0
    assert deck.run("start", "demo", "--token", secret).returncode == 7
    assert "ci" in first_words(deck.run("token", "ls").stdout)

    assert deck.run("token", "rm", "ci").returncode == 0
    assert deck.run("status", "demo", "--token", secret).returncode == 7
    assert deck.run("token", "rm", "ci").returncode == 4


def test_the_token_of_this_machine_is_printed(deck: DeckRunner) -> None:
    assert deck.run("token").stdout == (deck.data_dir / "token").read_text()


def test_a_link_signs_in(deck: DeckRunner) -> None:
    link = deck.run("token", "link").stdout.strip()

    assert httpx2.get(link, trust_env=False).status_code == 200


def test_without_a_good_token_nothing_is_told(deck: DeckRunner, serving: Serving) -> None:
    for typed in (("status",), ("logs", "-f"), ("jobs", "ls"), ("start", "--all")):
        done = deck.run(*typed, DAEMONDECK_TOKEN="wrong")
        assert done.returncode == 7
        assert done.stdout == ""
        assert done.stderr.startswith("ERR_")


def test_where_no_deck_answers_is_told_with_its_address(deck: DeckRunner) -> None:
    for typed in (("status",), ("logs", "-f"), ("start", "demo")):
        done = deck.run("--server", "http://127.0.0.1:1", *typed)
        assert done.returncode == 6
        assert "http://127.0.0.1:1" in done.stderr


# The data.


def test_the_database_can_be_looked_at_while_a_deck_runs(deck: DeckRunner) -> None:
    assert deck.run("db", "check").returncode == 0
    found = deck.json("db", "current")
    assert found["revision"] == found["head"]

    copy = Path(deck.json("db", "backup")["backup"])
    assert copy.is_relative_to(deck.data_dir)
    assert copy.stat().st_size > 0


def test_the_database_is_not_changed_while_a_deck_runs(deck: DeckRunner) -> None:
    done = deck.run("db", "upgrade")

    address = Address.read(deck.data_dir)
    assert address is not None
    assert done.returncode == 75
    assert str(address.pid) in done.stderr


def test_a_reader_that_leaves_early_is_no_error_worth_a_traceback(deck: DeckRunner) -> None:
    deck.run("start", "toy_talker")
    reading = deck.popen("logs", "-f")
    reading.stdout.readline()
    reading.stdout.close()
    deck.run("restart", "toy_talker")
    deck.run("stop", "toy_talker")

    try:
        reading.wait(timeout=10)
    except subprocess.TimeoutExpired:
        reading.kill()
        raise
    assert "Traceback" not in deck.log_of("logs")
