"""Clips and their frames climb to the end: real films, real worker processes, real jobs, a server of speech."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from daemons.bus import Bus
from daemons.clients.registry import Clients
from daemons.database import Database
from daemons.settings import Settings
from daemons.states import JobState
from daemons.values import Job
from daemons.workflows.describe import workflow as describe_workflow
from daemons.workflows.polling import workflow
from daemons.workflows.polling.keeper import NewRecord, Record, RecordFilter, RecordKeeper
from daemons.workflows.polling.ladders import LADDERS
from tests.engine_deck import Deck, open_deck
from tests.fake_clock import FakeClock
from tests.fakes.openai_server import answers
from tests.fakes.transcription_server import SPEECH_MODEL, TranscriptionServer, hearing, said
from tests.workflows.polling.clips import filmed, wired

AT_ONCE = 2
"""Each of what is at work has a worker process, which takes longest to begin."""
ONE_FRAME = {"frames_least": 1, "frame_seconds": 1000}

pytestmark = [pytest.mark.timeout(120), pytest.mark.databases("sqlite")]


@pytest.fixture
async def server() -> AsyncIterator[TranscriptionServer]:
    async with hearing() as server:
        yield server


@pytest.fixture
async def deck(
    database: Database, clock: FakeClock, bus: Bus, server: TranscriptionServer, tmp_path: Path
) -> AsyncIterator[Deck]:
    speech = {"url": server.url, "model": SPEECH_MODEL}
    settings = Settings(data_dir=tmp_path / "data", transcription=speech)
    async with AsyncExitStack() as stack:
        clients = await stack.enter_async_context(Clients(settings, clock))
        deck = open_deck(database, clock, bus, describe_workflow, workflow, clients=clients, data_dir=tmp_path / "data")
        yield await stack.enter_async_context(deck)


async def climbed(deck: Deck, *paths: bytes, **options: Any) -> Sequence[Record]:
    """Return the records of these clips once nothing is due any more."""
    keeper = deck.keepers.get(RecordKeeper)
    new = [NewRecord("footage", LADDERS["footage"].statuses[0], wired(path)) for path in paths]
    records = await keeper.add(new, by="test")
    await climb(deck, **options)
    return [await keeper.get(record.id) for record in records]


async def climb(deck: Deck, **options: Any) -> Job:
    args = {"ladders": ["footage", "frames"], "options": options, "concurrency": AT_ONCE}
    job, _ = await deck.orders.create("climb", args)
    async with asyncio.timeout(60):
        ended = await deck.orders.wait(job.id)
    assert ended.state is JobState.COMPLETED, ended.error
    return ended


async def frames_of(deck: Deck, clip: Record) -> list[Record]:
    chosen = RecordFilter(ladder="frames", parent_id=clip.id)
    found = (await deck.keepers.get(RecordKeeper).list(chosen, limit=500)).items
    return sorted(found, key=lambda frame: float(frame.fields["at"]))


async def steps_of(deck: Deck, record: Record) -> list[str]:
    """Return the steps of a record in the order they were done."""
    return [one.step for one in reversed(await deck.keepers.get(RecordKeeper).story(record))]


async def test_a_clip_and_its_frames_climb_to_the_end(deck: Deck, server: TranscriptionServer, tmp_path: Path) -> None:
    server.speech = lambda sound: said("The ferry leaves.")

    (clip,) = await climbed(deck, filmed(tmp_path / "pier.mov", tags={"title": "Pier"}))
    frames = await frames_of(deck, clip)

    assert (clip.code, clip.status, clip.is_complete) == ("FT0001", "7 - Avid Description", True)
    assert [frame.code for frame in frames] == ["FR0001", "FR0002", "FR0003"]
    assert {frame.status for frame in frames} == {"4 - Audio Transcribed"}
    assert [frame.title for frame in frames] == ["Pier at 0:01", "Pier at 0:03", "Pier at 0:05"]
    assert all(frame.fields["description"] and frame.fields["thumbnail"] for frame in frames)
    assert await steps_of(deck, clip) == [
        "file_info",
        "thumbnails",
        "frames",
        "evaluate",
        "description",
        "avid",
    ]
    assert await steps_of(deck, frames[0]) == ["extract", "thumbnail", "describe", "transcribe"]
    assert clip.fields["transcript"] == "The ferry leaves. The ferry leaves. The ferry leaves."
    assert clip.fields["describer"] == "composed"
    assert "At 0:01: " in clip.fields["description"] and clip.fields["avid_description"].startswith("Pier – ")
    assert clip.error is None and clip.attempts == 0

    # Sent back, it comes to the same, and no frame is there twice.
    keeper = deck.keepers.get(RecordKeeper)
    await keeper.move(clip.id, "2 - Thumbnails Complete", who="ada")
    await climb(deck)

    again = await keeper.get(clip.id)
    assert again.is_complete and again.fields["description"] == clip.fields["description"]
    assert [frame.id for frame in await frames_of(deck, clip)] == [frame.id for frame in frames]


async def test_what_lies_in_the_drop_folder_climbs_or_stands_with_its_reason(deck: Deck, tmp_path: Path) -> None:
    drop = tmp_path / "drop"
    drop.mkdir()
    good, short = filmed(drop / "pier.MOV", sound=None), filmed(drop / "short.mov", 1)
    (drop / "text.mov").write_text("Dear diary")
    (drop / "notes.txt").write_text("no clip")
    for file in drop.iterdir():
        # Nobody writes to it any more.
        os.utime(file, (1_600_000_000, 1_600_000_000))
    keeper, heard = deck.keepers.get(RecordKeeper), asyncio.Event()

    with keeper.hearing(heard.set, ["footage"]):
        await deck.roster.edit("footage", configuration={"drop_folder": str(drop), **ONE_FRAME})
        await deck.roster.start("footage")
        async with asyncio.timeout(60):
            while len(at_rest := await clips_at_rest(keeper)) < 3:
                await heard.wait()
                heard.clear()

    pier, false_start, text = at_rest
    assert (pier.source, pier.title, pier.status) == (wired(good), "pier.MOV", "7 - Avid Description")
    assert pier.fields["description"].count("without sound") == 1
    assert (false_start.source, false_start.status) == (wired(short), "False Start")
    assert await frames_of(deck, false_start) == [] and false_start.is_complete
    assert text.status == "0 - Pending File Info"
    assert text.error is not None and text.error.code == "ERR_NOT_FOOTAGE"


async def clips_at_rest(keeper: RecordKeeper) -> list[Record]:
    """Return the clips that are complete or given up, by their names."""
    clips = (await keeper.list(RecordFilter(ladder="footage"))).items
    return sorted((clip for clip in clips if clip.is_complete or clip.parked_at), key=lambda clip: clip.source)


async def test_a_clip_waits_for_the_last_of_its_frames(deck: Deck, server: TranscriptionServer, tmp_path: Path) -> None:
    # What one frame asks is refused for good.
    server.then(answers(400, {"error": "no"}))
    (clip,) = await climbed(deck, filmed(tmp_path / "a.mov"), frames_least=2)
    frames = await frames_of(deck, clip)
    (stuck,) = (frame for frame in frames if not frame.is_complete)

    assert clip.status == "5 - Processing Frame Info" and not clip.is_complete
    assert (stuck.status, stuck.parked_at is not None) == ("3 - Caption Generated", True)
    assert stuck.error is not None and stuck.error.code == "ERR_SERVER_REFUSED_SOUND"

    keeper = deck.keepers.get(RecordKeeper)
    await keeper.retry(stuck.id, who="ada")
    await climb(deck)

    assert (await keeper.get(clip.id)).status == "7 - Avid Description"


async def test_where_too_little_is_known_a_person_is_asked_and_heard(deck: Deck, tmp_path: Path) -> None:
    (clip,) = await climbed(deck, filmed(tmp_path / "a.mov", sound=None), threshold=0.2, **ONE_FRAME)
    assert clip.status == "Awaiting User Input" and clip.reasons

    keeper = deck.keepers.get(RecordKeeper)
    await keeper.force_resume(clip.id, who="ada")
    await climb(deck, threshold=0.2, **ONE_FRAME)

    assert (await keeper.get(clip.id)).status == "7 - Avid Description"
    assert "resume" in await steps_of(deck, clip)


def test_statuses_are_those_of_the_old_system_letter_for_letter() -> None:
    assert LADDERS["footage"].statuses == (
        "0 - Pending File Info",
        "1 - File Info Complete",
        "2 - Thumbnails Complete",
        "3 - Creating Frames",
        "4 - Scraping URL",
        "5 - Processing Frame Info",
        "6 - Generating Description",
        "7 - Avid Description",
        "False Start",
        "Awaiting User Input",
        "Force Resume",
    )
    assert LADDERS["frames"].statuses == (
        "0 - Pending File Info",
        "1 - Frame Extracted",
        "2 - Thumbnail Complete",
        "3 - Caption Generated",
        "4 - Audio Transcribed",
    )
