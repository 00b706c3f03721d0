"""What takes a clip and its frames up their ladders, step by step, with real worker processes."""

import os
import shutil
from collections.abc import AsyncIterator
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from daemons.clients.transcription import TranscriptionClient
from daemons.errors import DaemonError, Permanent
from daemons.settings.transcription import TranscriptionSettings
from daemons.workflows.polling.keeper import RecordKeeper
from daemons.workflows.polling.ladder import Outcome
from daemons.workflows.polling.options import FootageOptions
from daemons.workflows.polling.records import NewRecord, Record
from daemons.workflows.polling.steps.files import file_of
from daemons.workflows.polling.steps.footage.extracting import extracting
from daemons.workflows.polling.steps.footage.framing import framing
from daemons.workflows.polling.steps.footage.moments import moment, spoken, stretches
from daemons.workflows.polling.steps.footage.probe import FALSE_START, probe
from daemons.workflows.polling.steps.footage.thumbnails import thumbnails
from daemons.workflows.polling.steps.footage.transcribing import transcribing
from tests.fake_clock import FakeClock
from tests.fakes.transcription_server import SPEECH_MODEL, TranscriptionServer, hearing, said
from tests.workflows.polling.clips import filmed, scene
from tests.workflows.polling.step_context import Context, Shelf, after, context, record


@pytest.fixture
async def ctx(tmp_path: Path) -> AsyncIterator[Context]:
    async with context(FootageOptions(), keepers={RecordKeeper: Shelf(tmp_path / "records")}) as ctx:
        yield ctx


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Film six seconds, each of another colour, with a tone."""
    return filmed(tmp_path_factory.mktemp("clips") / "pier.mov", tags={"title": "Pier"})


async def probed(ctx: Context, path: bytes, **fields: Any) -> Record:
    """Return the record of a clip whose facts are known."""
    clip = record(path, "0 - Pending File Info", "footage", **fields)
    return after(clip, await probe(ctx, clip), "file_info")


def child(parent: Record, new: NewRecord) -> Record:
    """Return the record that `new` becomes."""
    return parent._replace(
        ladder=new.ladder, status=new.status, source=new.source, fields=dict(new.fields), parent_id=parent.id
    )


async def code_of(step: Any, ctx: Context, record: Record) -> tuple[str, bool]:
    """Return as what a step failed, and whether no other try would help."""
    with pytest.raises(DaemonError) as failed:
        await step(ctx, record)
    assert failed.value.remedy
    return failed.value.error_code, isinstance(failed.value, Permanent)


def rewritten(clip: Record, data: bytes) -> Record:
    """Return the record of a clip whose file holds only this, and is known to."""
    Path(os.fsdecode(file_of(clip))).write_bytes(data)
    return clip._replace(fields={**clip.fields, "size": len(data)})


# The clip's facts.


async def test_a_clips_facts_are_read(ctx: Context, clip: bytes) -> None:
    os.utime(clip, (1_600_000_000, 1_600_000_000))

    outcome = await probe(ctx, record(clip))

    fields = dict(outcome.fields)
    assert (fields["file_name"], fields["file_type"]) == ("pier.mov", "video/quicktime")
    assert fields["sha256"] == sha256(Path(os.fsdecode(clip)).read_bytes()).hexdigest()
    assert fields["modified_at"] == "2020-09-13T12:26:40+00:00"
    assert (fields["duration"], fields["fps"], fields["codec"], fields["has_audio"]) == (6.0, 5.0, "mpeg4", True)
    assert (fields["width"], fields["height"], fields["timecode"]) == (64, 48, None)
    assert (fields["title"], fields["metadata_source"]) == ("Pier", ["mov"])
    assert (outcome.to, outcome.note) == (None, None)


async def test_what_a_person_wrote_stays(ctx: Context, clip: bytes) -> None:
    named = record(clip, title="The old pier")._replace(provenance={"title": {"by": "ada"}})

    assert "title" not in (await probe(ctx, named)).fields


async def test_a_clip_of_less_than_five_seconds_is_a_false_start(ctx: Context, tmp_path: Path) -> None:
    short = record(filmed(tmp_path / "a.mov", 2))

    outcome = await probe(ctx, short)

    assert outcome.to == FALSE_START and outcome.fields["duration"] == 2.0
    assert outcome.note == "The clip is 2 seconds long; what is shorter than 5 seconds is a false start."
    ctx.options = FootageOptions(false_start=0)
    assert (await probe(ctx, short)).to is None


async def test_what_is_wrong_with_a_clip_is_told_apart(ctx: Context, tmp_path: Path) -> None:
    (tmp_path / "text.mov").write_text("Dear diary")
    (tmp_path / "empty.mov").touch()
    silent = filmed(tmp_path / "sound.mov", picture=False)

    assert await code_of(probe, ctx, record(tmp_path / "text.mov")) == ("ERR_NOT_FOOTAGE", True)
    assert await code_of(probe, ctx, record(silent)) == ("ERR_NO_VIDEO", True)
    # These may be mended by time, or by somebody who mounts a disk.
    assert await code_of(probe, ctx, record(tmp_path / "empty.mov")) == ("ERR_FILE_EMPTY", False)
    assert await code_of(probe, ctx, record(tmp_path / "gone.mov")) == ("ERR_FILE_MISSING", False)
    assert await code_of(probe, ctx, record(tmp_path / "disk" / "a.mov")) == ("ERR_FOLDER_MISSING", False)


# Its picture.


async def test_a_clip_is_shown_by_a_picture_that_is_not_blank(ctx: Context, tmp_path: Path) -> None:
    def fades_in(second: float, width: int, height: int) -> Image.Image:
        return scene(second, width, height) if second > 1.5 else Image.new("RGB", (width, height))

    found = await probed(ctx, filmed(tmp_path / "a.mov", look=fades_in))

    outcome = await thumbnails(ctx, found)
    again = await thumbnails(ctx, found)

    poster = tmp_path / "records" / found.id / "poster.jpg"
    assert outcome.fields == {"thumbnail": sha256(poster.read_bytes()).hexdigest(), "poster": str(poster)}
    assert outcome.thumbnail is not None and outcome.thumbnail[:4] == b"RIFF"
    assert outcome.fields == again.fields and [*poster.parent.iterdir()] == [poster]
    with Image.open(poster) as image:
        assert image.convert("L").getextrema()[1] > 60


async def test_the_library_has_the_clip_first(ctx: Context, clip: bytes, tmp_path: Path) -> None:
    library = tmp_path / "library"
    library.mkdir()
    ctx.options = FootageOptions(library=library)
    found = await probed(ctx, clip)

    outcome = await thumbnails(ctx, found)

    assert outcome.fields["library_path"] == str(library / "pier.mov")
    assert file_of(after(found, outcome, "thumbnails")) == os.fsencode(library / "pier.mov")
    assert (library / "pier.mov").read_bytes() == Path(os.fsdecode(clip)).read_bytes()


async def test_a_clip_that_was_replaced_is_looked_at_again(ctx: Context, tmp_path: Path) -> None:
    found = await probed(ctx, filmed(tmp_path / "a.mov"))
    filmed(tmp_path / "a.mov", 7)

    outcomes = [await thumbnails(ctx, found), await framing(ctx, found)]

    assert [outcome.to for outcome in outcomes] == ["0 - Pending File Info"] * 2


async def test_a_film_that_is_black_throughout_has_a_picture_all_the_same(ctx: Context, tmp_path: Path) -> None:
    black = filmed(tmp_path / "a.mov", look=lambda second, width, height: Image.new("RGB", (width, height)))

    assert (await thumbnails(ctx, await probed(ctx, black))).thumbnail


# Its frames.


async def test_frames_are_taken_evenly_and_become_records(ctx: Context, clip: bytes, tmp_path: Path) -> None:
    found = (await probed(ctx, clip))._replace(title="Pier")
    folder = tmp_path / "records" / found.id
    folder.mkdir(parents=True)
    (folder / "000001000.jpg.0badc0de.tmp").touch()  # of a process that was killed

    outcome = await framing(ctx, found)
    again = await framing(ctx, found)

    assert (outcome.fields, outcome.note) == ({"frames": 3}, "3 frames were taken.")
    assert outcome == again
    assert [one.source for one in outcome.children] == [f"{found.source}#t={at}" for at in (1.0, 3.0, 5.0)]
    assert [one.title for one in outcome.children] == ["Pier at 0:01", "Pier at 0:03", "Pier at 0:05"]
    first, _, last = outcome.children
    assert (first.ladder, first.status) == ("frames", "0 - Pending File Info")
    assert (first.fields["begin"], first.fields["at"], first.fields["end"]) == (0.0, 1.0, 2.0)
    assert (last.fields["begin"], last.fields["end"], last.fields["has_audio"]) == (4.0, 6.0, True)
    assert [file.name for file in sorted(folder.iterdir())] == ["000001000.jpg", "000003000.jpg", "000005000.jpg"]


async def test_of_a_clip_that_is_cut_off_the_frames_that_are_there_are_taken(ctx: Context, tmp_path: Path) -> None:
    whole = filmed(tmp_path / "a.mov", options={"movflags": "faststart"}, size=(320, 240), sound=None)
    data = Path(os.fsdecode(whole)).read_bytes()
    found = await probed(ctx, whole)
    found = rewritten(found, data[: len(data) * 6 // 10])

    outcome = await framing(ctx, found)

    assert 0 < len(outcome.children) < 3
    assert "could not be: The film has no frame at 5 seconds" in (outcome.note or "")
    assert len(outcome.children) + len(ctx.lines) == 3
    assert "No frame at 0:05: The film has no frame at 5 seconds" in ctx.lines[-1][1]


async def test_without_any_frame_the_clip_is_to_be_copied_again(ctx: Context, tmp_path: Path) -> None:
    whole = filmed(tmp_path / "a.mov", options={"movflags": "faststart"}, size=(320, 240), sound=None)
    data = Path(os.fsdecode(whole)).read_bytes()
    found = await probed(ctx, whole)
    found = rewritten(found, data[: data.index(b"mdat") + 8])

    assert await code_of(framing, ctx, found) == ("ERR_FOOTAGE_TRUNCATED", True)
    assert await code_of(thumbnails, ctx, found) == ("ERR_FOOTAGE_DAMAGED", True)


async def test_a_frame_that_went_missing_is_taken_again(ctx: Context, clip: bytes, tmp_path: Path) -> None:
    found = await probed(ctx, clip)
    frame = child(found, (await framing(ctx, found)).children[1])
    before = await extracting(ctx, frame)
    shutil.rmtree(tmp_path / "records")

    after = await extracting(ctx, frame)

    assert before.fields == after.fields and before.note is None
    assert after.note == "The frame was gone, and was taken out of the clip again."
    assert after.fields["file_type"] == "image/jpeg" and after.fields["size"]


# What is said.


@pytest.fixture
async def server() -> AsyncIterator[TranscriptionServer]:
    async with hearing() as server:
        yield server


async def heard(ctx: Context, path: bytes) -> tuple[Record, Outcome]:
    """Return the second frame of a clip, and what became of its speech."""
    found = await probed(ctx, path)
    frame = child(found, (await framing(ctx, found)).children[1])
    return frame, await transcribing(ctx, frame)


async def test_what_is_said_around_a_frame_is_written_down(clip: bytes, tmp_path: Path) -> None:
    async with (
        hearing() as server,
        TranscriptionClient(TranscriptionSettings(url=server.url, model=SPEECH_MODEL), FakeClock()) as client,
        context(
            FootageOptions(),
            clients={TranscriptionClient: client},
            keepers={RecordKeeper: Shelf(tmp_path)},
        ) as ctx,
    ):
        server.speech = lambda sound: said("The ferry leaves at nine.", language="en")
        frame, outcome = await heard(ctx, clip)

        assert outcome.fields == {
            "transcript": "The ferry leaves at nine.",
            "transcript_language": "en",
            "transcript_model": SPEECH_MODEL,
        }
        # Two seconds at 16 kHz, and no file of it left.
        assert 20_000 < len(server.sounds[0].content) < 64_000
        assert [*(tmp_path / frame.id).glob("*.flac")] == []

        server.speech = lambda sound: said("")
        assert (await transcribing(ctx, frame)).note == "Nobody speaks."

        _, silent = await heard(ctx, filmed(tmp_path / "silent.mov", sound=0.0))
        assert (silent.note, len(server.sounds)) == ("Nothing is to be heard.", 2)


async def test_without_a_server_or_sound_the_reason_is_told(ctx: Context, clip: bytes, tmp_path: Path) -> None:
    frame, outcome = await heard(ctx, clip)
    assert outcome.fields["transcript"] is None
    assert (outcome.note or "").startswith("Speech is not written down. Not configured: set ")

    ctx.options = FootageOptions(transcribe=False)
    assert (await transcribing(ctx, frame)).note == "Speech is not written down: the option transcribe is off."

    _, mute = await heard(ctx, filmed(tmp_path / "mute.mov", sound=None))
    assert mute.note == "The clip has no sound."


# Moments.


@pytest.mark.parametrize(
    ("duration", "count"), [(6.0, 3), (30.0, 3), (31.0, 4), (299.0, 30), (86_400.0, 30), (0.04, 3)]
)
def test_frames_are_as_many_as_the_length_wants(duration: float, count: int) -> None:
    parts = stretches(duration, 10.0, 3, 30)

    assert len(parts) == count
    assert parts[0].begin == 0 and parts[-1].end == pytest.approx(duration)
    assert all(before.end == after.begin for before, after in pairwise(parts))
    assert all(part.begin <= part.at < part.end for part in parts)


@pytest.mark.parametrize("duration", [None, 0.0, float("inf"), float("nan")])
def test_of_unknown_length_the_first_frame_is_taken(duration: float | None) -> None:
    assert [part.at for part in stretches(duration, 10.0, 3, 30)] == [0.0]


def test_moments_and_lengths_are_put_into_words() -> None:
    assert [moment(at) for at in (0, 5.9, 65, 3723)] == ["0:00", "0:05", "1:05", "1:02:03"]
    assert [spoken(at) for at in (0.04, 1, 4.25, 60, 125, 3601)] == [
        "0.04 seconds",
        "1 second",
        "4.2 seconds",
        "1 minute",
        "2 minutes 5 seconds",
        "1 hour 1 second",
    ]
