"""`daemondeck describe DIR` in processes of its own: to the end, stopped, killed, and with a deck that does it."""

import json
import re
import signal
import sqlite3
import subprocess
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import IO

import pytest
from PIL import Image

from tests.cli.deck_runner import DeckRunner

LARGE = (1600, 1200)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Return a folder of five photographs and one broken file."""
    folder = pictures(tmp_path / "My photos", 5)
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut")
    return folder


def pictures(folder: Path, count: int, size: tuple[int, int] = (64, 48)) -> Path:
    folder.mkdir()
    Image.effect_noise(size, 50).convert("RGB").save(folder / "0.jpg")
    for number in range(1, count):
        # What stands behind the picture makes it another content, which is no copy of the first.
        (folder / f"{number}.jpg").write_bytes((folder / "0.jpg").read_bytes() + b"%d" % number)
    return folder


def rows(deck: DeckRunner) -> dict[str, tuple[str, int]]:
    """Return each image's state, and how often it was described."""
    with closing(sqlite3.connect(deck.data_dir / "daemondeck.db")) as data:
        found = data.execute("SELECT path, state, revision FROM descriptions").fetchall()
    return {path: (state, revision) for path, state, revision in found}


def read_until(process: "subprocess.Popen[str]", words: str) -> str:
    """Return what a command said up to the line with `words`."""
    told, output = "", process.stdout
    assert output is not None
    while words not in told:
        line = output.readline()
        assert line, f"{words!r} was not told, but {told}"
        told += line
    return told


def rest_of(process: "subprocess.Popen[str]") -> str:
    output: IO[str] | None = process.stdout
    assert output is not None
    return output.read()


def test_a_folder_is_described_to_its_end_and_what_failed_is_named(own_deck: DeckRunner, photos: Path) -> None:
    trial = own_deck.run_alone("describe", str(photos), "--limit", "3", "--exclude", "broken.*", "-o", "json")
    first = own_deck.run_alone("describe", str(photos), "--batch-size", "1", "--exclude", "nothing")

    told = json.loads(trial.stdout)
    assert [told[name] for name in ("state", "done", "failed", "total", "left")] == ["complete", 3, 0, 3, 0]
    assert (trial.returncode, first.returncode) == (0, 1), first.stderr
    assert f"describe-my-photos describes {photos}." in first.stdout
    assert re.search(r" Describing batch 1 of \d \(", first.stdout)
    assert "Complete: 5 described, 1 failed.\nFailed 1: ERR_IMAGE_TRUNCATED 1\n  broken.jpg: ERR_" in first.stdout
    assert set(rows(own_deck).values()) == {("done", 1), ("failed", 1)}

    progress = own_deck.run("progress").stdout
    assert progress.startswith("describe-my-photos is off, and no deck runs; 16.7% of its images fail\n")
    assert "  Done      6 / 6 (100%), 0 left\n" in progress
    assert "  Failed    1: ERR_IMAGE_TRUNCATED 1\n" in progress
    stats = own_deck.run("stats", "describe-my-photos").stdout
    assert "  Images    5 done, 1 failed of 6 (100%), 0 left\n  Went well 83.3%\n  Each took mean 0.0" in stats
    assert "  Jobs      4 completed, 0 failed, 0 cancelled\n" in stats
    assert "    memory (%): mean " in stats


def test_a_folder_that_cannot_be_described_or_options_that_do_not_exist_are_refused(
    own_deck: DeckRunner, photos: Path
) -> None:
    missing = own_deck.run("describe", str(photos / "nowhere"))
    wrong = own_deck.run("describe", str(photos), "--describer", "crystal ball")

    assert (missing.returncode, wrong.returncode) == (2, 2)
    assert "ERR_NO_DIRECTORY" in missing.stderr
    assert "describer" in wrong.stderr
    assert "DIR" in own_deck.run("describe").stdout


def test_a_run_that_is_killed_goes_on_and_describes_nothing_twice(own_deck: DeckRunner, tmp_path: Path) -> None:
    folder = pictures(tmp_path / "photos", 8)

    killed = own_deck.run_alone("describe", str(folder), DAEMONDECK_KILL_AT="image described:4")
    done = own_deck.run_alone("describe", str(folder))

    assert killed.returncode == -signal.SIGKILL
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "Complete: 8 described, 0 failed."), done.stderr
    assert set(rows(own_deck).values()) == {("done", 1)}


def test_ctrl_c_finishes_the_image_in_hand_and_tells_what_is_left(own_deck: DeckRunner, tmp_path: Path) -> None:
    folder = pictures(tmp_path / "photos", 60, LARGE)

    with own_deck.popen("describe", str(folder)) as process:
        read_until(process, "Describing batch")
        process.send_signal(signal.SIGINT)
        told = rest_of(process)
    described = rows(own_deck)

    assert process.returncode == 130
    assert "Finishing the image in hand" in told
    assert f"Stopped: {len(described)} described, 0 failed, {60 - len(described)} left." in told
    assert len(described) < 60
    assert set(described.values()) <= {("done", 1)}
    with closing(sqlite3.connect(own_deck.data_dir / "daemondeck.db")) as data:
        assert data.execute("SELECT desired FROM daemons WHERE name = 'describe-photos'").fetchone() == ("off",)


def test_what_older_scripts_described_is_not_described_again(own_deck: DeckRunner, photos: Path) -> None:
    """Once on the data alone, once more through a deck; what is left is described."""
    progress, outputs = photos.parent / "progress.txt", photos.parent / "image_analysis_1.json"
    progress.write_text("./0.jpg\n./1.jpg\n./2.jpg\n./0.jpg\n../out.jpg\n./gone.jpg\n")
    told = [{"path": "./0.jpg", "description": "A beach.", "time": 8.2}, {"path": "./1.jpg", "text": "A dog."}]
    outputs.write_text(json.dumps(told))
    files = ("describe", "import", str(progress), str(outputs), "--directory", str(photos), "--describer", "basic")

    alone = own_deck.run_alone(*files, "--describe-missing", "-o", "json")
    assert alone.returncode == 0, alone.stderr
    brought = json.loads(alone.stdout)
    names = ("name", "described", "without_words", "to_describe", "duplicates", "outside", "missing_first")
    assert [brought[name] for name in names] == ["describe-my-photos", 2, 0, 2, 1, 1, []]

    with own_deck.serving():
        again = own_deck.run(*files[:4], "--daemon", "describe-my-photos")
        assert again.stdout.splitlines()[:3] == [
            "describe-my-photos: 0 descriptions taken over.",
            "1 listed as done without a description: they count as described, without words",
            "2 known already: left as they are",
        ]
        assert "1 not in the folder any more: left out\n  gone.jpg\n" in again.stdout
        assert own_deck.run("describe", "import", str(photos / "nowhere"), "--directory", str(photos)).returncode == 2
        assert own_deck.run_alone("describe", str(photos)).returncode == 1
    assert {path: revision for path, (_, revision) in rows(own_deck).items()} == {
        **{f"{number}.jpg": 1 for number in range(5)},
        "broken.jpg": 1,
    }


def test_with_a_deck_the_work_is_the_decks_own(own_deck: DeckRunner, tmp_path: Path, photos: Path) -> None:
    with own_deck.serving():
        done = own_deck.run_alone("describe", str(photos), "--batch-size", "50", "-o", "json")
        assert done.returncode == 1, done.stderr
        told = json.loads(done.stdout)
        assert [told[name] for name in ("state", "done", "failed", "total", "left")] == ["complete", 5, 1, 6, 0]
        assert [(one["path"], one["code"]) for one in told["failures"]] == [("broken.jpg", "ERR_IMAGE_TRUNCATED")]
        (daemon,) = [one for one in own_deck.json("status") if one["name"] == "describe-my-photos"]
        assert daemon["configuration"] == {"directory": str(photos), "batch_size": 50}

        large = pictures(tmp_path / "large", 60, LARGE)
        with own_deck.popen("describe", str(large)) as process:
            read_until(process, "Describing batch")
            process.send_signal(signal.SIGTERM)
            told = rest_of(process)
        assert process.returncode == 130
        assert told.splitlines()[-1].startswith("Left: ")
        assert "`daemondeck stop describe-large` ends it" in own_deck.log_of("describe")
        (daemon,) = [one for one in own_deck.json("status") if one["name"] == "describe-large"]
        assert (daemon["state"], daemon["desired"]) == ("running", "on")


@pytest.mark.parametrize(
    ("describer", "code", "remedy"),
    [("vision", "set vision.url", "daemondeck.toml"), ("local", "needs torch", "pip install 'daemondeck[vlm]'")],
)
def test_what_a_describer_lacks_is_said_and_not_waited_for(
    own_deck: DeckRunner, photos: Path, describer: str, code: str, remedy: str
) -> None:
    if describer == "local" and find_spec("torch"):
        pytest.skip("the extra vlm is installed here")

    run = own_deck.run_alone("describe", str(photos), "--describer", describer)

    assert run.returncode == 78
    assert "ERR_NOT_CONFIGURED: Not configured: " in run.stderr
    assert code in run.stderr and remedy in run.stderr
