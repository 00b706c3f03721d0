"""What pages are told: pieces of page, drawn once for all."""

import json

import pytest
from websockets.asyncio.client import ClientConnection

import web.pages.live
from daemons.events import DaemonChanged, DaemonRemoved
from daemons.service import Service
from daemons.states import LogLevel
from tests.web.served import Frame, Served, next_frame


def say(service: Service, sentence: str) -> None:
    """Have the talker say something, as its run would."""
    daemon = service.board.get("talker")
    live = daemon.live._replace(revision=daemon.revision + 1, current_status=sentence)
    service.bus.publish(DaemonChanged(daemon._replace(live=live)))


async def rows(live: ClientConnection, text: str) -> Frame:
    """Return the next frame of rows that shows `text`."""
    return await next_frame(live, lambda frame: frame["type"] == "rows" and text in frame["content"])


async def test_the_first_frame_names_the_boot(served: Served) -> None:
    async with served.client("/live") as live:
        hello = await next_frame(live)

    assert (hello["type"], hello["boot"], hello["version"]) == ("hello", served.service.boot, served.service.version)


async def test_a_status_reaches_every_page_as_the_row_it_would_draw(served: Served) -> None:
    async with served.client("/live") as one, served.client("/live") as other:
        await next_frame(one), await next_frame(other)
        say(served.service, "Scanning <3> of 10")
        frames = [await rows(page, "Scanning") for page in (one, other)]

    assert frames[0] == frames[1]
    assert f"<hx-partial id='d-{served.service.board.get('talker').id}'" in frames[0]["content"]
    assert "Scanning &lt;3&gt; of 10" in frames[0]["content"]


async def test_a_new_job_is_drawn(served: Served) -> None:
    async with served.client("/live") as live:
        await next_frame(live)
        job = (await served.service.orders.create("wait")).job
        frame = await rows(live, f"j-{job.id}")

    assert f"jh-{job.id}" in frame["content"]


async def test_lines_and_removals_are_told_as_data(served: Served) -> None:
    daemon = served.service.board.get("talker")
    async with served.client("/live") as live:
        await next_frame(live)
        served.service.journal.log(LogLevel.INFO, "hello", daemon=daemon.row)
        line = await next_frame(live, lambda frame: frame["type"] == "log")
        served.service.bus.publish(DaemonRemoved(daemon.id, daemon.name))
        removed = await next_frame(live, lambda frame: frame["type"] == "removed")

    assert (line["data"]["message"], line["data"]["daemon_id"]) == ("hello", daemon.id)
    assert removed["data"] == {"id": daemon.id}


async def test_more_than_can_be_drawn_has_the_page_read_itself(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web.pages.live, "CHANGES_AT_ONCE", 10)
    async with served.client("/live") as live:
        await next_frame(live)
        for number in range(11):
            served.service.journal.log(LogLevel.INFO, str(number))
        await served.service.journal.flush()
        frame = await next_frame(live, lambda frame: frame["type"] in ("log", "resync"))

    assert frame["type"] == "resync"


async def test_frames_are_json_text_with_a_time(served: Served) -> None:
    async with served.client("/live") as live:
        first = await live.recv()

    assert isinstance(first, str)
    assert {"seq", "type", "at"} <= json.loads(first).keys()
