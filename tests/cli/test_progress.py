"""How far it is: from the running deck, and from the data alone when none runs."""

import hashlib
import json
from pathlib import Path

from tests.cli.deck_runner import DeckRunner


def contents(folder: Path) -> dict[str, str]:
    """Return what is in every file of a folder; the index of SQLite's log is where readers lock, and holds no data."""
    files = (file for file in folder.rglob("*") if file.is_file() and not file.name.endswith("-shm"))
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_progress_is_told_live_and_after_the_deck_is_gone(own_deck: DeckRunner) -> None:
    with own_deck.serving() as serving:
        started = own_deck.run("jobs", "new", "toy_steps", "--args", '{"steps": 5, "wait_after": 2}')
        job_id = started.stdout.strip()
        own_deck.run("start", "toy_talker")
        with own_deck.watching(job_id, "is working", "Done      2 / 5 (40.0%), 3 left") as shown:
            assert "Progress  [████████████████░░░░░░░░░░░░░░░░░░░░░░░░]" in shown

        whole = own_deck.run("progress")
        assert whole.returncode == 0
        assert whole.stdout.startswith("toy_talker is sleeping, wakes ")
        assert own_deck.run("progress", "demo").stdout.startswith("demo is off\n")
        assert own_deck.run("progress", "nobody").returncode == 4

        assert own_deck.run("run", "toy_maker", "--wait", "--timeout", "20").returncode == 0
        live = own_deck.run("stats", "toy_maker")
        assert "  Jobs      1 completed, 0 failed, 0 cancelled\n  Success   100.0%\n  A job     mean " in live.stdout
        assert own_deck.json("stats", "--since", "1h")["jobs"]["completed"] == 1
        assert own_deck.run("stats", "nobody").returncode == 4
        assert own_deck.run("stats", "--since", "whenever").returncode == 2
        own_deck.run("stop", "toy_maker")
        serving.process.kill()
        serving.process.wait()

    before = contents(own_deck.data_dir)
    job = own_deck.run("progress", job_id)
    assert job.returncode == 3
    assert job.stdout.startswith(f"{job_id} appears to be stopped: no deck runs\n")
    assert "2 / 5" in job.stdout
    (talker,) = json.loads(own_deck.run("progress", "toy_talker", "-o", "json").stdout)
    assert talker["verdict"].startswith("appears to be stopped since 20")
    assert own_deck.run("progress", "nobody").returncode == 4
    assert own_deck.run("stats", "toy_maker").stdout.splitlines()[1:] == live.stdout.splitlines()[1:]
    assert contents(own_deck.data_dir) == before

    # Who names another deck is not told of this one.
    assert own_deck.run("progress", "--server", "http://127.0.0.1:1").returncode == 6


def test_data_that_is_not_there_or_of_another_version_is_told(own_deck: DeckRunner) -> None:
    assert own_deck.run("progress").returncode == 6
    own_deck.data_dir.mkdir(parents=True)
    (own_deck.data_dir / "daemondeck.db").touch()

    done = own_deck.run("progress")

    assert done.returncode == 78
    assert "db upgrade" in done.stderr
    assert [file.name for file in own_deck.data_dir.iterdir()] == ["daemondeck.db"]


def test_a_deck_that_ended_well_leaves_data_that_can_be_read(own_deck: DeckRunner) -> None:
    with own_deck.serving() as serving:
        own_deck.run("start", "toy_talker")
        serving.process.terminate()
        serving.process.wait()
    before = contents(own_deck.data_dir)

    assert own_deck.run("progress").stdout.startswith("toy_talker appears to be stopped")
    assert contents(own_deck.data_dir) == before
