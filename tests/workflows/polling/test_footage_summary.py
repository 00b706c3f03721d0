"""What a clip is said to show: put together here, or by the vision server, and as one line for an editing system."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from daemons.clients.errors import ServerAway
from daemons.clients.vision import VisionClient
from daemons.settings.vision import VisionSettings
from daemons.values import Page
from daemons.workflows.polling.keeper import RecordFilter, RecordKeeper
from daemons.workflows.polling.options import FootageOptions
from daemons.workflows.polling.records import Record
from daemons.workflows.polling.steps.footage.summarising import avid_description, summarise
from daemons.workflows.polling.steps.footage.summary import SEEN_CHARACTERS, one_line, question
from tests.fake_clock import FakeClock
from tests.fakes.openai_server import MODEL, OpenAIServer, chat, serving
from tests.workflows.polling.step_context import Context, context, record

CLIP = {
    "duration": 30.0,
    "width": 1920,
    "height": 1080,
    "fps": 25.0,
    "has_audio": True,
    "taken_at": "2019-07-04T05:06:07+00:00",
    "camera": "Google Pixel 3",
    "title": "Ferry",
    "timecode": "01:02:03:04",
}
JPEG = b"\xff\xd8 a poster \xff\xd9"


class Frames:
    """The part of the keeper that the summary needs: the frames of a clip, in whatever order."""

    def __init__(self, *frames: Record) -> None:
        self.frames = frames

    async def list(self, chosen: RecordFilter, *, limit: int) -> Page:
        assert (chosen.ladder, chosen.parent_id, limit) == ("frames", clip().id, 500)
        return Page(list(self.frames), None)


def clip(**fields: Any) -> Record:
    return record(Path("/films/a.mov"), "5 - Processing Frame Info", "footage", **{**CLIP, **fields})


def frame(at: float, description: str | None, transcript: str | None = None) -> Record:
    fields = {"at": at, "description": description, "transcript": transcript}
    return record(Path(f"/films/a.mov#t={at}"), ladder="frames", **fields)


FRAMES = (
    frame(25, "A pier at dusk", "Good night."),
    frame(5, "A ferry at a pier.", "The ferry leaves"),
    frame(15, "A ferry  at a pier.", "at nine."),
)


@asynccontextmanager
async def opened(*frames: Record, server: OpenAIServer | None = None) -> AsyncIterator[Context]:
    """Open a context with these frames; with a server, the model sums up."""
    keepers = {RecordKeeper: Frames(*frames)}
    if server is None:
        async with context(FootageOptions(), keepers=keepers) as ctx:
            yield ctx
        return
    settings = VisionSettings(url=server.url, model=MODEL)
    async with (
        VisionClient(settings, FakeClock()) as client,
        context(FootageOptions(describer="vision"), keepers=keepers, clients={VisionClient: client}) as ctx,
    ):
        yield ctx


async def test_what_is_known_is_put_together_and_named_as_that() -> None:
    async with opened(*FRAMES) as ctx:
        outcome = await summarise(ctx, clip())

    assert outcome.fields["description"] == (
        "A film of 30 seconds, 1920 × 1080 pixels, 25 frames a second, taken on 2019-07-04, with Google Pixel 3. "
        "From 0:05 to 0:15: A ferry at a pier. At 0:25: A pier at dusk. "
        "It is said: “The ferry leaves at nine. Good night.”"
    )
    assert (outcome.fields["describer"], outcome.fields["model"]) == ("composed", None)
    assert outcome.fields["transcript"] == "The ferry leaves at nine. Good night."
    assert outcome.note == "Put together from 3 frames and what is said; no model wrote it."


async def test_of_a_clip_of_which_nothing_is_known_little_is_said() -> None:
    nothing = clip(**dict.fromkeys(CLIP))
    async with opened(frame(0, None)) as ctx:
        outcome = await summarise(ctx, nothing)

    assert outcome.fields["description"] == "A film, without sound."
    assert outcome.fields["transcript"] is None


async def test_what_a_person_wrote_stays() -> None:
    async with opened(*FRAMES) as ctx:
        outcome = await summarise(ctx, clip(description="The last ferry."))
        mine = clip(description="Once more")._replace(provenance={"description": {"by": "description"}})
        again = await summarise(ctx, mine)

    assert "description" not in outcome.fields and outcome.fields["transcript"]
    assert str(again.fields["description"]).startswith("A film of 30 seconds")


async def test_the_vision_server_sums_up_what_is_seen_and_said(tmp_path: Path) -> None:
    (tmp_path / "poster.jpg").write_bytes(JPEG)
    async with serving() as server, opened(*FRAMES, server=server) as ctx:
        server.chat = lambda question: chat("A ferry leaves a pier at dusk.")

        outcome = await summarise(ctx, clip(poster=str(tmp_path / "poster.jpg")))

        (asked,) = server.questions
        words = asked.body["messages"][0]["content"][0]["text"]
    assert asked.jpeg == JPEG
    assert "From 0:05 to 0:15: A ferry at a pier." in words and "The ferry leaves at nine." in words
    assert outcome.fields["description"] == "A ferry leaves a pier at dusk."
    assert (outcome.fields["describer"], outcome.fields["model"]) == ("vision", MODEL)
    assert len(str(outcome.fields["prompt_hash"])) == 64 and outcome.note is None


async def test_where_the_model_says_nothing_it_is_put_together(tmp_path: Path) -> None:
    (tmp_path / "poster.jpg").write_bytes(JPEG)
    async with serving() as server, opened(*FRAMES, server=server) as ctx:
        server.chat = lambda question: chat("")

        outcome = await summarise(ctx, clip(poster=str(tmp_path / "poster.jpg")))

    assert outcome.fields["describer"] == "composed"
    assert (outcome.note or "").startswith("The model did not sum it up, so it is put together")


async def test_a_server_that_is_away_is_waited_for(tmp_path: Path) -> None:
    (tmp_path / "poster.jpg").write_bytes(JPEG)
    async with serving() as gone:
        pass
    async with opened(*FRAMES, server=gone) as ctx:
        with pytest.raises(ServerAway):
            await summarise(ctx, clip(poster=str(tmp_path / "poster.jpg")))


def test_of_a_long_film_the_model_is_told_as_much_as_it_can_take() -> None:
    frames = [frame(at, f"{at} " + "word " * 200, "talk " * 500) for at in range(200)]

    words = question(clip(), frames, "talk " * 100_000)

    assert len(words) < SEEN_CHARACTERS + 6_000
    assert "At 0:00: 0 word" in words and "At 3:1" in words and words.endswith("…")


async def test_the_line_for_an_editing_system_holds_no_tabs_and_has_a_bound() -> None:
    async with opened() as ctx:
        outcome = await avid_description(ctx, clip(description="One\ttwo\nthree " + "word " * 100))

    line = outcome.fields["avid_description"]
    assert isinstance(line, str) and line.startswith("Ferry – 01:02:03:04 – One two three word")
    assert len(line) <= 255 and "\t" not in line and "\n" not in line and line.endswith("word…")
    assert one_line(record(Path("/a"))) == ""
