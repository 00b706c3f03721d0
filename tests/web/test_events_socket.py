"""What the events socket tells, in which order, and how often."""

import json
from uuid import uuid4

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from daemons.events import DaemonChanged, JobRemoved
from daemons.service import Service
from daemons.states import LogLevel
from tests.web.served import Served, next_frame, opening
from web.frames import FRAME_BYTES


def of_type(kind: str, **data: object):  # type: ignore[no-untyped-def]
    """Return what recognises a frame."""
    return lambda frame: frame["type"] == kind and all(frame["data"].get(name) == value for name, value in data.items())


def say(service: Service, sentence: str) -> None:
    """Have the talker say something, as its run would."""
    daemon = service.board.get("talker")
    live = daemon.live._replace(revision=daemon.revision + 1, current_status=sentence)
    service.bus.publish(DaemonChanged(daemon._replace(live=live)))


async def test_a_client_is_told_what_is_before_what_changes(served: Served) -> None:
    await served.service.orders.create("wait")

    async with served.client("/api/events") as events:
        hello, *snapshots, end = await opening(events)

    assert (hello["type"], hello["data"]["boot"], hello["data"]["resumed"]) == ("hello", served.service.boot, False)
    items = {
        topic: [item for frame in snapshots if frame["topic"] == topic for item in frame["data"]["items"]]
        for topic in ("daemons", "jobs", "logs")
    }
    assert {daemon["name"] for daemon in items["daemons"]} >= {"talker", "demo"}
    assert items["jobs"][0]["type"] == "wait"
    assert all(frame["type"] == "snapshot" for frame in snapshots)
    assert snapshots[-1]["data"]["more"] is False
    assert end["seq"] == hello["data"]["seq"]


async def test_a_status_is_told_at_once_and_whole(served: Served) -> None:
    async with served.client("/api/events?topics=daemons") as events:
        await opening(events)
        say(served.service, "Scanning 3 of 10")
        frame = await next_frame(events)

    assert (frame["topic"], frame["type"]) == ("daemons", "daemon")
    assert frame["data"]["current_status"] == "Scanning 3 of 10"
    assert frame["data"].keys() == served.service.board.get("talker").as_dict().keys()


async def test_a_storm_of_changes_is_thinned_and_ends_with_the_last(served: Served) -> None:
    async with served.client("/api/events?topics=daemons") as events:
        await opening(events)
        say(served.service, "0")
        frames = [await next_frame(events)]
        for number in range(1, 501):
            say(served.service, str(number))
        frames.append(await next_frame(events))
        say(served.service, "end")
        frames.append(await next_frame(events))

    assert [frame["data"]["current_status"] for frame in frames] == ["0", "500", "end"]
    assert [frame["seq"] for frame in frames] == sorted(frame["seq"] for frame in frames)


async def test_jobs_logs_and_removals_have_their_frames(served: Served) -> None:
    async with served.client("/api/events") as events:
        await opening(events)
        job = (await served.service.orders.create("wait")).job
        created = await next_frame(events, of_type("job", id=job.id))
        served.service.journal.log(LogLevel.INFO, "hello", job_id=job.id)
        line = await next_frame(events, of_type("log", message="hello"))
        gone = str(uuid4())
        served.service.bus.publish(JobRemoved(gone))
        removed = await next_frame(events, of_type("removed"))

    assert created["data"]["truncated"] is False
    assert line["data"]["job_id"] == job.id
    assert removed["data"] == {"id": gone}


async def test_long_arguments_are_left_out_and_said_so(served: Served) -> None:
    async with served.client("/api/events?topics=jobs") as events:
        await opening(events)
        await served.service.orders.create("echo", {"text": "x" * 5000})
        frame = await next_frame(events, of_type("job"))

    assert frame["data"]["args"] is None
    assert frame["data"]["truncated"] is True


async def test_no_frame_is_longer_than_64_kib(served: Served) -> None:
    for number in range(30):
        await served.service.orders.create("echo", {"text": "ä" * 1900}, key=str(number))

    async with served.client("/api/events?topics=jobs") as events:
        texts = [await events.recv()]
        while json.loads(texts[-1])["type"] != "heartbeat":
            texts.append(await events.recv())

    assert len(texts) > 3
    assert max(len(str(text).encode()) for text in texts) <= FRAME_BYTES


async def test_a_filter_leaves_out_other_daemons(served: Served) -> None:
    async with served.client("/api/events?topics=daemons&daemon=demo") as events:
        _, *snapshots, _ = await opening(events)
        say(served.service, "not for this client")
        demo = served.service.board.get("demo")
        served.service.bus.publish(DaemonChanged(demo))
        frame = await next_frame(events)

    assert [item["name"] for item in snapshots[0]["data"]["items"]] == ["demo"]
    assert frame["data"]["name"] == "demo"


async def test_a_filter_leaves_out_other_jobs(served: Served) -> None:
    job = (await served.service.orders.create("wait")).job

    async with served.client(f"/api/events?topics=jobs&job={job.id}") as events:
        _, *snapshots, _ = await opening(events)
        await served.service.orders.create("wait")
        await served.service.orders.cancel(job.id)
        frame = await next_frame(events)

    assert [item["id"] for item in snapshots[0]["data"]["items"]] == [job.id]
    assert frame["data"]["id"] == job.id


async def test_a_client_that_was_away_is_told_the_present_state_of_what_changed(served: Served) -> None:
    async with served.client("/api/events") as events:
        hello = (await opening(events))[0]
        say(served.service, "seen")
        seen = await next_frame(events, of_type("daemon"))
    job = (await served.service.orders.create("wait")).job
    await served.service.orders.cancel(job.id)
    served.service.journal.log(LogLevel.INFO, "while you were away")
    await served.service.journal.flush()

    resumed = f"/api/events?since={seen['seq']}&boot={hello['data']['boot']}"
    async with served.client(resumed) as events:
        hello, *frames, _ = await opening(events)

    assert hello["data"]["resumed"] is True
    assert [frame["data"]["state"] for frame in frames if frame["type"] == "job"] == ["cancelled"]
    assert [frame["data"]["message"] for frame in frames if frame["type"] == "log"] == ["while you were away"]
    assert not [frame for frame in frames if frame["type"] in ("daemon", "snapshot")]


@pytest.mark.parametrize("since", ["since=1&boot=another", "since=999999999", "since=0"])
async def test_a_place_that_is_not_known_gets_a_snapshot(served: Served, since: str) -> None:
    say(served.service, "something")

    async with served.client(f"/api/events?{since}") as events:
        hello, first, *_ = await opening(events)

    assert hello["data"]["resumed"] is False
    assert first["type"] == "snapshot"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("topics=daemons,weather", 422),
        ("colour=red", 422),
        ("since=yesterday", 422),
        ("topics=daemons&topics=jobs", 422),
        ("daemon=nobody", 404),
    ],
)
async def test_a_wrong_wish_is_refused_in_words(served: Served, query: str, status: int) -> None:
    with pytest.raises(InvalidStatus) as refusal:
        async with served.client(f"/api/events?{query}"):
            pass

    assert refusal.value.response.status_code == status
    assert json.loads(refusal.value.response.body or b"")["error"]["message"]


async def test_a_revoked_token_closes_its_sockets(served: Served) -> None:
    from daemons.access import Role

    secret, _ = await served.service.access.create_token("reader", Role.VIEWER)

    async with served.client("/api/events", Authorization=f"Bearer {secret}") as events:
        await opening(events)
        await served.service.access.revoke_token("reader")
        with pytest.raises(ConnectionClosed) as closed:
            await next_frame(events, lambda frame: False)

    assert closed.value.rcvd is not None and closed.value.rcvd.code == 4401
