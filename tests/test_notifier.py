"""People are told once of what goes wrong and once when it is over; messages survive, and delay nobody."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from daemons import JobContext, job
from daemons.bus import Bus
from daemons.database import Database
from daemons.errors import Conflict, Invalid, NotFound
from daemons.findings import Finding
from daemons.notices import Notices, Outcome, Topic
from daemons.notifier import Notifier
from daemons.questions import NewQuestion
from daemons.sending import signature
from daemons.tallies import Tallies, Tally
from tests.engine_deck import Deck, open_deck
from tests.fake_clock import FakeClock
from tests.fakes.receiver import Receiver, receiving

SECRET = "correct horse battery"
EVERYTHING = list(Topic)


@job("idle")
async def idle(ctx: JobContext) -> None:
    """A deck has to know something."""


class Desk:
    """A notifier on a deck without daemons; the test says what is wrong."""

    def __init__(self, deck: Deck, receiver: Receiver) -> None:
        self.clock = deck.clock
        self.receiver = receiver
        self.questions = deck.questions
        self.wrong: list[Finding] = []
        self.notices = Notices(deck.database)
        self.tallies = Tallies(deck.database, deck.clock, deck.bus, deck.board)
        self.notifier = Notifier(self.notices, lambda: self.wrong, deck.questions, self.tallies, deck.clock, after=60)

    async def target(self, name: str = "hook", **changes: Any) -> None:
        values = {
            "kind": "webhook", "url": self.receiver.url, "secret": SECRET, "events": list(map(str, EVERYTHING)),
            "quiet_from": None, "quiet_until": None, "zone": "UTC", "enabled": True, **changes,
        }  # fmt: skip
        await self.notifier.add(name, values)

    async def look(self, seconds: float = 0) -> None:
        """Let time pass, look, and have everything sent that is due."""
        self.clock.jump(seconds)
        await self.clock.advance(seconds if seconds < 200 else 1)
        await self.notifier.look()
        for task in list(self.notifier._sending.values()):
            await task

    async def log(self) -> list[tuple[str, str]]:
        return [(str(one.outcome), one.kind) for one in reversed(await self.notices.deliveries())]


@pytest.fixture
async def desk(database: Database, clock: FakeClock, bus: Bus) -> AsyncIterator[Desk]:
    async with open_deck(database, clock, bus, idle) as deck, receiving() as receiver:
        yield Desk(deck, receiver)


FAILED = Finding("ERR_DAEMON_FAILED", "error", "night_watch has failed: no disk.", "Reset it.", "night_watch")


async def test_requirement_14_one_message_for_an_incident_and_one_when_it_is_over(desk: Desk) -> None:
    """500 failures in a minute: one message, then one recovery."""
    await desk.target()
    for number in range(10):
        desk.wrong = [FAILED._replace(message=f"{50 * number} of 500 jobs failed.")]
        await desk.look(6)
    await desk.look(61)
    await desk.look(61)
    assert await desk.log() == [("sent", "ERR_DAEMON_FAILED")]

    desk.wrong = []
    for _ in range(4):
        await desk.look(31)

    assert await desk.log() == [("sent", "ERR_DAEMON_FAILED"), ("sent", "recovered")]
    assert len(desk.receiver.requests) == 2
    assert desk.receiver.body(0)["title"].endswith("of 500 jobs failed.")
    assert desk.receiver.body(1)["title"].startswith("Over: ")
    assert await desk.notices.open_incidents() == []


async def test_what_is_wrong_for_a_moment_only_is_not_told(desk: Desk) -> None:
    await desk.target()
    for _ in range(5):
        desk.wrong = [FAILED]
        await desk.look(20)
        desk.wrong = []
        await desk.look(20)

    assert await desk.log() == []


async def test_a_webhook_is_signed_over_time_and_body(desk: Desk) -> None:
    await desk.target()
    sent = await desk.notifier.test("hook")

    headers, body = desk.receiver.requests[0]
    assert (sent.outcome, sent.kind) == (Outcome.SENT, "test")
    assert headers["x-daemondeck-signature"] == signature(SECRET, headers["x-daemondeck-timestamp"], body)
    assert json.loads(body)["title"] == "Daemondeck can reach you"


@pytest.mark.parametrize(
    ("answers", "outcomes"),
    [
        ([(500, ""), (200, "")], ["waiting", "sent"]),
        ([(429, "Retry-After: 100\r\n"), (200, "")], ["waiting", "waiting"]),
        ([(404, "")], ["failed", "failed"]),
        ([(302, "Location: http://127.0.0.1:1/\r\n")], ["failed", "failed"]),
    ],
)
async def test_a_target_that_answers_badly_is_tried_again_where_that_helps(
    desk: Desk, answers: list[tuple[int, str]], outcomes: list[str]
) -> None:
    await desk.target()
    desk.receiver.answers = list(answers)
    await desk.notices.tell_all(Topic.DECK, "drained", "Done", "All of it.")

    await desk.look()
    first = (await desk.notices.deliveries())[0].outcome
    await desk.look(35)
    second = (await desk.notices.deliveries())[0].outcome

    assert [first, second] == outcomes


async def test_a_dead_target_is_given_up_and_its_address_is_nowhere(desk: Desk) -> None:
    await desk.target(url="http://127.0.0.1:1/very-secret-token")
    await desk.notices.tell_all(Topic.DECK, "drained", "Done", "All of it.")
    for _ in range(8):
        await desk.look(3600)

    [delivery] = await desk.notices.deliveries()
    assert (delivery.outcome, delivery.tries) == (Outcome.FAILED, 6)
    assert "very-secret-token" not in str(delivery.as_dict())
    assert "very-secret-token" not in str((await desk.notices.target("hook")).as_dict())


async def test_a_target_that_hangs_delays_nobody_else(desk: Desk) -> None:
    async with receiving() as silent:
        silent.hangs = True
        await desk.target("silent", url=silent.url)
        await desk.target("quick")
        await desk.notices.tell_all(Topic.DECK, "drained", "Done", "All of it.")

        await desk.notifier.look()
        await desk.receiver.wait_for(1)
        await silent.wait_for(1)
        await desk.clock.advance(16)
        for task in list(desk.notifier._sending.values()):
            await task

        by_name = {one.target_name: one for one in await desk.notices.deliveries()}
        assert (by_name["quick"].outcome, by_name["silent"].outcome) == (Outcome.SENT, Outcome.WAITING)
        assert by_name["silent"].detail == "no answer within 15 seconds"


async def test_in_quiet_hours_messages_wait_and_come_as_one(desk: Desk) -> None:
    # The clock of the test begins at noon.
    await desk.target(quiet_from="11:00", quiet_until="13:30")
    for number in range(3):
        await desk.notices.tell_all(Topic.DECK, "drained", f"Done {number}", "All of it.")
    await desk.look(1)
    assert desk.receiver.requests == []

    await desk.look(2 * 3600)

    assert len(desk.receiver.requests) == 1
    assert desk.receiver.body()["title"] == "3 messages: Done 0"
    assert [outcome for outcome, _ in await desk.log()] == ["sent"] * 3


def test_quiet_hours_over_midnight_in_their_own_zone() -> None:
    from daemons.notices import Target

    night = Target(
        "1", "phone", "webhook", "http://x", None, [], True, "22:00", "07:00", "Asia/Kolkata", 1, datetime.now(UTC)
    )

    assert night.quiet_end(datetime(2026, 1, 1, 12, 0, tzinfo=UTC)) is None  # 17:30 there
    assert night.quiet_end(datetime(2026, 1, 1, 17, 0, tzinfo=UTC)) == datetime(2026, 1, 2, 1, 30, tzinfo=UTC)
    assert night.quiet_end(datetime(2026, 1, 2, 1, 0, tzinfo=UTC)) == datetime(2026, 1, 2, 1, 30, tzinfo=UTC)


async def test_only_who_wants_to_hear_of_it_is_told(desk: Desk) -> None:
    await desk.target("storage", events=["storage"])
    await desk.target("off", enabled=False)
    desk.wrong = [FAILED]
    await desk.look(1)
    await desk.look(100)

    assert await desk.log() == []
    assert len(await desk.notices.open_incidents()) == 1


async def test_a_question_is_told_at_once_and_its_answer_is_not(desk: Desk) -> None:
    await desk.target()
    schema = {"type": "object", "properties": {"keep": {"type": "boolean"}}}
    question = await desk.questions.ask(NewQuestion("keep", "Keep this clip?", schema), lambda tx: None)
    await desk.look(1)
    await desk.questions.answer(question.id, {"keep": True}, who="ana")
    await desk.look(1)

    assert await desk.log() == [("sent", "INPUT_NEEDED")]
    assert await desk.notices.open_incidents() == []


async def test_a_drained_queue_is_told_after_a_real_run_only(desk: Desk) -> None:
    await desk.target()
    desk.tallies.now = Tally(active=3)
    await desk.look(1)
    desk.tallies.now = Tally()
    await desk.look(1)
    assert await desk.log() == []
    desk.tallies.now = Tally(queued=3)
    await desk.look(1)
    await desk.look(61)
    desk.tallies.now = Tally(failed=2)
    await desk.look(1)

    assert await desk.log() == [("sent", "drained")]


async def test_a_message_whose_sender_died_is_sent_by_the_next(desk: Desk) -> None:
    await desk.target()
    await desk.notices.tell_all(Topic.DECK, "drained", "Done", "All of it.")
    [waiting] = await desk.notices.due(desk.clock.now())
    assert await desk.notices.claim(waiting, desk.clock.now())  # and then it dies
    assert not await desk.notices.claim(waiting, desk.clock.now())

    await desk.look(1)

    assert await desk.log() == [("sent", "drained")]


@pytest.mark.filterwarnings("ignore:.imghdr.:DeprecationWarning")
async def test_apprise_reaches_a_service_and_says_when_it_does_not(desk: Desk) -> None:
    await desk.target("service", kind="apprise", url=f"json://127.0.0.1:{desk.receiver.port}/s3cr3t", secret=None)
    await desk.target("nobody", kind="apprise", url="json://127.0.0.1:1/", secret=None)

    good, bad = await desk.notifier.test("service"), await desk.notifier.test("nobody")

    assert good.detail is None
    assert (good.outcome, bad.outcome) == (Outcome.SENT, Outcome.FAILED)
    assert desk.receiver.body()["title"] == "Daemondeck can reach you"


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "pigeon"}, {"url": "nowhere"}, {"url": "ftp://x/"}, {"events": ["weather"]}, {"zone": "Mars"},
        {"quiet_from": "22:00"}, {"quiet_from": "25:00", "quiet_until": "07:00"},
        {"quiet_from": "x" * 9, "quiet_until": "1"},
    ],
)  # fmt: skip
async def test_what_cannot_be_a_target_is_refused(desk: Desk, wrong: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        await desk.target(**wrong)


async def test_a_target_is_changed_without_its_secrets_and_removed(desk: Desk) -> None:
    await desk.target()
    shown = (await desk.notices.target("hook")).as_dict()
    changed = await desk.notices.edit("hook", {"url": shown["url"], "secret": shown["secret"], "events": ["input"]})
    assert (changed.url, changed.secret, changed.events) == (desk.receiver.url, SECRET, ["input"])
    with pytest.raises(Conflict):
        await desk.target()

    await desk.notices.remove("hook")

    with pytest.raises(NotFound):
        await desk.notifier.test("hook")
