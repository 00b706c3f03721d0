"""Commands that script a deck: run, wait, is-active, events, history, options, instances."""

import json
import tomllib
from pathlib import Path

import pytest

from tests.cli.deck_runner import DeckRunner

pytestmark = pytest.mark.usefixtures("serving")


def first_words(text: str) -> list[str]:
    return [line.split()[0] for line in text.splitlines()]


def test_run_starts_a_daemon_that_is_off_and_prints_the_job_it_makes(deck: DeckRunner) -> None:
    done = deck.run("run", "toy_maker", "--wait", "--timeout", "20")

    assert done.returncode == 0, done.stderr
    (job_id,) = done.stdout.split()
    assert deck.json("jobs", "get", job_id)["state"] == "completed"


def test_run_wakes_a_daemon_that_sleeps_and_shows_how_far_its_job_is(deck: DeckRunner) -> None:
    deck.run("run", "toy_maker", "--wait", "--timeout", "20")

    done = deck.run("run", "toy_maker", "--follow", "--timeout", "20")

    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) == 1
    assert "toy_steps completed 3 / 3 · 100%" in done.stderr.splitlines()
    assert any("toy_maker: made a job" in line for line in done.stderr.splitlines())
    deck.run("stop", "toy_maker")


def test_run_tells_programs_the_whole_job(deck: DeckRunner) -> None:
    cycle = json.loads(deck.run("run", "toy_maker", "--wait", "-o", "json", "--timeout", "20").stdout)

    assert [job["state"] for job in cycle["jobs"]] == ["completed"]
    deck.run("stop", "toy_maker")


def test_run_fails_when_the_daemon_does(deck: DeckRunner) -> None:
    assert deck.run("run", "toy_broken", "--wait", "--timeout", "20").returncode == 1
    deck.run("stop", "toy_broken")
    assert deck.run("run", "nobody").returncode == 4


def test_what_waits_for_a_person_is_told_by_the_exit_code(deck: DeckRunner) -> None:
    asked = deck.run("run", "toy_asker", "--wait", "--timeout", "20")
    assert asked.returncode == 9, asked.stderr
    assert deck.run("wait", "toy_asker", "--for", "done", "--timeout", "20").returncode == 9
    told = deck.run("progress", "toy_asker")
    assert told.stdout.startswith("toy_asker is waiting for an answer: Where does it belong?\n")
    assert told.returncode == 9

    (question,) = deck.json("inbox", "ls")
    deck.run("inbox", "answer", question["id"], "shelf=keep")
    assert deck.run("wait", "toy_asker", "--for", "idle", "--timeout", "20").returncode == 0
    deck.run("stop", "toy_asker")


def test_wait_returns_when_it_is_so_and_not_before(deck: DeckRunner) -> None:
    assert deck.run("wait", "toy_talker", "--for", "running", "--timeout", "0.3").returncode == 8
    deck.run("start", "toy_talker")
    assert deck.run("wait", "toy_talker", "--for", "running").stdout == "running\n"
    for goal in ("idle", "drained"):
        assert deck.run("wait", "toy_talker", "--for", goal, "--timeout", "20").returncode == 0
    assert deck.run("wait", "toy_talker", "--for", "done", "--timeout", "0.3").returncode == 8
    deck.run("kill", "toy_talker")
    assert deck.run("wait", "toy_talker", "--for", "done").returncode == 0


def test_is_active_is_strict_and_is_failed_its_counterpart(deck: DeckRunner) -> None:
    deck.run("start", "toy_talker")
    deck.run("start", "toy_broken")

    active = deck.run("is-active", "toy_talker", "toy_broken")
    assert (active.returncode, active.stdout.splitlines()[0]) == (3, "running")
    assert deck.run("is-active", "toy_talker").returncode == 0
    assert deck.run("is-active", "toy_talker", "nobody").returncode == 4
    assert deck.run("is-failed", "toy_talker").returncode == 3
    assert deck.run("is-failed", "toy_broken", "-q").returncode == 0
    assert first_words(deck.run("status", "--failed").stdout) == ["NAME", "toy_broken"]
    deck.run("stop", "toy_talker", "toy_broken")
    assert deck.run("is-active", "toy_talker", "-q").stdout == ""


def test_a_pause_tells_when_it_ends(deck: DeckRunner) -> None:
    deck.run("start", "toy_talker")

    assert ", until 2" in deck.run("pause", "toy_talker", "--for", "2h").stdout
    assert deck.run("pause", "toy_talker", "--utc", "--until", "07:00").stdout.endswith("T07:00+00:00\n")
    assert deck.run("pause", "toy_talker").stdout.endswith(", until resumed\n")
    deck.run("stop", "toy_talker")


def test_events_are_json_lines(deck: DeckRunner) -> None:
    lines = [json.loads(line) for line in deck.run("events", "--topics", "daemons").stdout.splitlines()]

    assert {line["type"] for line in lines} == {"present"}
    assert "demo" in {line["data"]["name"] for line in lines}
    assert deck.run("events", "--topics", "gossip").returncode == 2


def test_what_became_of_a_daemon_is_its_history(deck: DeckRunner) -> None:
    deck.run("start", "toy_talker")
    deck.run("stop", "toy_talker")

    newest, *_ = deck.json("history", "toy_talker", "-n", "1")
    assert newest["to"] == "stopped"
    assert deck.json("stack", "toy_talker") == []
    assert deck.run("history", "nobody").returncode == 4


def test_what_happened_to_all_daemons_is_their_activity(deck: DeckRunner) -> None:
    deck.run("start", "toy_talker")
    deck.run("stop", "toy_talker")

    happened = deck.json("activity", "--kind", "state,desired", "--daemon", "toy_talker", "-n", "2")

    assert [(one["daemon_name"], one["kind"] in ("state", "desired")) for one in happened] == [("toy_talker", True)] * 2
    assert "toy_talker" in deck.run("activity").stdout
    assert deck.run("activity", "--kind", "gossip").returncode == 2


def test_a_job_is_made_by_hand_with_arguments_checked_by_the_deck(deck: DeckRunner) -> None:
    job_id = deck.run("jobs", "new", "toy_steps", "--arg", "steps=2", "--key", "by hand").stdout.strip()

    assert deck.json("jobs", "get", job_id)["args"]["steps"] == 2
    assert deck.run("jobs", "new", "toy_steps", "--args", '{"steps": 2}', "--key", "by hand").stdout.strip() == job_id
    assert deck.run("jobs", "new", "toy_steps", "--arg", "steps=many").returncode == 2
    assert deck.run("jobs", "new", "nothing").returncode == 2
    assert deck.run("jobs", "new", "toy_steps", "--args", "{").returncode == 2


def test_an_instance_is_added_changed_and_removed(deck: DeckRunner) -> None:
    added = deck.run("daemon", "add", "demo", "second", "--set", "log_interval=2", "--set", "simulate_errors=yes")
    assert added.returncode == 0, added.stderr
    assert deck.run("config", "get", "second", "simulate_errors").stdout == "yes\n"

    assert deck.run("config", "set", "second", "log_interval=3", "--unset", "simulate_errors").returncode == 0
    same = deck.run("config", "set", "second", "log_interval=3")
    assert (same.stdout, same.stderr) == ("", "There is nothing to change: second has these values already.\n")
    shown = {option["name"]: option for option in deck.json("config", "get", "second")}
    assert (shown["log_interval"]["value"], shown["log_interval"]["source"]) == (3, "row")
    assert (shown["simulate_errors"]["value"], shown["simulate_errors"]["source"]) == (False, "default")
    for wrong in ("log_interval=-1", "nonsense=1"):
        refused = deck.run("config", "set", "second", wrong)
        assert refused.returncode == 2
        assert refused.stderr.startswith("ERR_INVALID_OPTION")

    assert deck.run("disable", "second").stdout == "second: disabled, stopped\n"
    assert deck.run("enable", "second", "--now").returncode == 0
    running = deck.run("daemon", "rm", "second", "-y")
    assert (running.returncode, running.stderr.split(":")[0]) == (5, "ERR_DAEMON_RUNNING")
    unasked = deck.run("daemon", "rm", "second")
    assert (unasked.returncode, unasked.stderr.split(":")[0]) == (5, "ERR_NOT_CONFIRMED")
    deck.run("stop", "second")
    assert deck.run("daemon", "rm", "second", "nobody", "-y").returncode == 4
    assert deck.run("status", "second").returncode == 4


def test_an_editor_changes_options(deck: DeckRunner, tmp_path: Path) -> None:
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nsed -i "s/^# log_interval = .*/log_interval = 7.5/" "$1"\n')
    editor.chmod(0o700)

    assert deck.run("config", "edit", "demo", EDITOR=str(editor), VISUAL="").returncode == 0
    assert deck.run("config", "get", "demo", "log_interval").stdout == "7.5\n"

    editor.write_text('#!/bin/sh\necho "log_interval = no" > "$1"\n')
    refused = deck.run("config", "edit", "demo", EDITOR=str(editor), VISUAL="")
    assert refused.returncode == 2
    assert "is kept in" in refused.stderr
    deck.run("config", "set", "demo", "--unset", "log_interval")


def test_daemons_are_carried_to_another_deck_without_secrets(deck: DeckRunner, own_deck: DeckRunner) -> None:
    deck.run("daemon", "add", "toy_keeper", "vault", "--set", "password=canary", "--set", 'note=say "hi"\n\x7f')
    exported = deck.run("config", "export").stdout
    assert "canary" not in exported
    vault = next(one for one in tomllib.loads(exported)["daemon"] if one["name"] == "vault")
    assert vault["options"] == {"note": 'say "hi"\n\x7f'}
    file = own_deck.data_dir.parent / "daemons.toml"
    file.write_text(exported)

    with own_deck.serving():
        assert own_deck.run("config", "import", str(file), "--dry-run").returncode == 0
        assert own_deck.run("status", "vault").returncode == 4
        done = own_deck.json("config", "import", str(file))
        assert {"name": "vault", "done": "added", "what": ["note"]} in done
        assert {one["done"] for one in own_deck.json("config", "import", str(file))} == {"as it was"}

        # A secret that is there stays there.
        own_deck.run("config", "set", "vault", "password=mine")
        assert {one["done"] for one in own_deck.json("config", "import", str(file))} == {"as it was"}

    file.write_text("[daemons.demo]\nx = 1\n")
    assert deck.run("config", "import", str(file)).returncode == 2
    deck.run("daemon", "rm", "vault", "-y")


def test_settings_are_checked_without_a_deck(own_deck: DeckRunner) -> None:
    assert own_deck.run("config", "validate").returncode == 0

    wrong = own_deck.run(
        "config", "validate", "-o", "json", DAEMONDECK_DAEMONS__DEMO__LOG_INTERVAL="-1", DAEMONDECK_PROT="1"
    )
    assert wrong.returncode == 78
    assert [problem["code"] for problem in json.loads(wrong.stdout)] == ["ERR_SETTINGS", "ERR_INVALID_OPTION"]
    assert own_deck.run("config", "validate", DAEMONDECK_PORT="x").returncode == 78


def test_types_are_listed(deck: DeckRunner) -> None:
    assert {"demo", "toy_talker"} <= set(deck.run("types", "-o", "name").stdout.split())
    assert {"demo_count", "toy_steps"} <= set(deck.run("types", "--jobs", "-o", "name").stdout.split())
    assert "log_interval" in deck.run("types", "-o", "wide").stdout
    assert deck.run("descriptions", "ls", "-o", "json").stdout == "[]\n"


def test_processes_are_listed_with_what_they_have_in_hand(deck: DeckRunner) -> None:
    (this,) = deck.json("ps")

    assert (this["this"], this["alive"]) == (True, True)
    assert this["memory"] > 1_000_000
    assert "this deck" in deck.run("ps").stdout


def test_the_shell_is_told_names_that_the_deck_knows(deck: DeckRunner) -> None:
    def proposed(line: str, **variables: str) -> list[str]:
        asked = {
            "_DAEMONDECK_COMPLETE": "complete_bash",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(line.split(" ")) - 1),
        }
        done = deck.run_alone(**asked, **variables)
        assert done.stderr == ""
        return done.stdout.split()

    assert proposed("daemondeck start toy_t") == ["toy_talker"]
    assert proposed("daemondeck jobs new toy_s") == ["toy_steps"]
    assert proposed("daemondeck daemon add toy_k") == ["toy_keeper"]
    job_id = deck.run("jobs", "new", "toy_steps").stdout.strip()
    assert job_id in proposed("daemondeck logs " + job_id[:8])
    # Without a deck, or with one that does not let us in, the shell goes on quietly.
    assert proposed("daemondeck --server http://127.0.0.1:1 start toy_t") == []
    assert proposed("daemondeck start toy_t", DAEMONDECK_TOKEN="wrong") == []


@pytest.mark.parametrize("name", ["../x", "%2e%2e", "\x1b[2J\u202e", "", "a" * 300, "a b?c#d"])
def test_odd_names_are_unknown_names(deck: DeckRunner, name: str) -> None:
    for command in ("status", "start", "logs", "progress", "stats", "run"):
        done = deck.run(command, "--", name)
        assert done.returncode in (2, 4), (command, done.stderr)
        assert all(line.isprintable() for line in done.stderr.splitlines())
        assert "Traceback" not in done.stderr
