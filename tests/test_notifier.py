"""People are told once of what goes wrong and once when it is over; messages survive, and delay nobody."""

import json
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from daemons.bus import Bus
from daemons.database import Database
from daemons.errors import Conflict, Invalid, NotFound
from daemons.findings import Finding
from daemons.incidents import FLAPS, Incidents
from daemons.notices import Notices, Outcome, StaleTarget, Topic
from daemons.notifier import Notifier
from daemons.questions import NewQuestion
from daemons.registry import Registry
from daemons.sending import signature
from daemons.tallies import Tallies, Tally
from tests.engine_deck import Deck, DeckSettings
from tests.fake_clock import FakeClock
from tests.fakes.receiver import Receiver, receiving

SECRET = "correct horse battery"
EVERYTHING = list(Topic)


class Desk:
    """A notifier on a deck without daemons; the test says what is wrong."""

    def __init__(self, deck: Deck, receiver: Receiver) -> None:
        self.clock = deck.clock
        self.database = deck.database
        self.receiver = receiver
        self.questions = deck.questions
        self.wrong: list[Finding] = []
        self.notices = Notices(deck.database)
        self.tallies = Tallies(deck.database, deck.clock, deck.bus, deck.board)
        self.living = {"we"}
        self.incidents = Incidents(deck.database, "we")
        self.notifier = self.notifier_of(self.incidents)

    def notifier_of(self, incidents: Incidents) -> Notifier:
        async def living() -> set[str]:
            return self.living

        parts = (self.notices, incidents, lambda: self.wrong, self.questions, self.tallies, self.clock)
        return Notifier(*parts, after=60, living=living)

    async def target(self, name: str = "hook", **changes: Any) -> None:
        values = {
            "kind": "webhook", "url": self.receiver.url, "secret": SECRET, "events": list(map(str, EVERYTHING)),
            "quiet_from": None, "quiet_until": None, "errors_at_once": False, "zone": "UTC", "enabled": True, **changes,
        }  # fmt: skip
        await self.notifier.add(name, values)

    async def look(self, seconds: float = 0) -> None:
        """Let time pass, look, and have everything sent that is due."""
        await self.clock.advance(seconds)
        await self.notifier.look()
        for task in list(self.notifier._sending.values()):
            await task

    async def log(self) -> list[tuple[str, str]]:
        return [(str(one.outcome), one.kind) for one in reversed(await self.notices.deliveries())]


@pytest.fixture
async def desk(database: Database, clock: FakeClock, bus: Bus) -> AsyncIterator[Desk]:
    async with receiving() as receiver:
        # Nothing of the deck is at work: only what is asked of its keepers is needed here.
        yield Desk(Deck(database, clock, bus, Registry(), DeckSettings()), receiver)


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
    assert await desk.incidents.open_ones() == []


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


async def test_an_answer_without_end_is_not_read(desk: Desk) -> None:
    desk.receiver.floods = True
    await desk.target()

    sent = await desk.notifier.test("hook")

    assert sent.outcome is Outcome.SENT


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


async def test_an_error_breaks_through_quiet_hours_where_the_target_says_so(desk: Desk) -> None:
    await desk.target("phone", quiet_from="11:00", quiet_until="18:00", errors_at_once=True)
    await desk.target("mail", quiet_from="11:00", quiet_until="18:00", errors_at_once=False)
    desk.wrong = [FAILED, FAILED._replace(code="ERR_DAEMON_SILENT", severity="warning")]
    for _ in range(2):
        await desk.look(61)

    sent = [one for one in await desk.notices.deliveries() if one.outcome is Outcome.SENT]
    assert [(one.target_name, one.kind) for one in sent] == [("phone", "ERR_DAEMON_FAILED")]


async def test_what_came_and_went_in_quiet_hours_is_told_when_they_end(desk: Desk) -> None:
    await desk.target(quiet_from="11:00", quiet_until="18:00")
    for _ in range(2):
        desk.wrong = [FAILED]
        for _ in range(2):
            await desk.look(61)
        desk.wrong = []
        for _ in range(3):
            await desk.look(61)
    assert desk.receiver.requests == []

    await desk.look(7 * 3600)

    assert len(desk.receiver.requests) == 1
    assert desk.receiver.body()["title"] == "Came and went: night_watch has failed: no disk"
    assert desk.receiver.body()["body"].startswith("It came 2 times in ")
    assert (await desk.log())[-1] == ("sent", "summary")


async def test_a_retry_does_not_go_out_in_quiet_hours(desk: Desk) -> None:
    # The clock of the test begins at noon.
    await desk.target(quiet_from="12:01", quiet_until="18:00")
    desk.receiver.answers = [(500, ""), (200, "")]
    await desk.notices.tell_all(Topic.DECK, "drained", "Done", "All of it.")
    await desk.look(1)
    for _ in range(3):
        await desk.look(600)

    [waiting] = await desk.notices.deliveries()
    assert (len(desk.receiver.requests), waiting.tries) == (1, 1)
    assert waiting.next_try_at is not None and waiting.next_try_at.hour == 18
    await desk.look(6 * 3600)
    assert await desk.log() == [("sent", "drained")]


async def test_twenty_flaps_in_an_hour_are_a_handful_of_messages(desk: Desk) -> None:
    await desk.target()
    for _ in range(20):
        desk.wrong = [FAILED]
        await desk.look(1)
        await desk.look(61)
        desk.wrong = []
        await desk.look(1)
        await desk.look(61)
    [incident] = await desk.incidents.open_ones()
    assert incident.count == 20
    await desk.look(1800)

    titles = [desk.receiver.body(at)["title"] for at in range(len(desk.receiver.requests))]
    assert len(titles) == 2 * FLAPS
    assert titles[-2].startswith("Flapping, 3 times in ")
    assert titles[-1].startswith("Stable again: ")
    assert desk.receiver.body()["body"].startswith("It came 20 times in ")


async def test_what_a_dead_manager_left_open_is_taken_over_and_closed(desk: Desk) -> None:
    await desk.target()
    dead, desk.living = desk.notifier_of(Incidents(desk.database, "dead")), {"we", "dead"}
    desk.wrong = [FAILED]
    await dead.look()
    await desk.clock.advance(61)
    await dead.look()
    desk.wrong = []
    for _ in range(4):
        await desk.look(100)
    assert [one.manager_id for one in await desk.incidents.open_ones()] == ["dead"]

    desk.living = {"we"}
    for _ in range(5):
        await desk.look(100)

    assert await desk.incidents.open_ones() == []
    assert [kind for _, kind in await desk.log()] == ["ERR_DAEMON_FAILED", "recovered"]


def test_quiet_hours_over_midnight_in_their_own_zone() -> None:
    from daemons.notices import Target

    night = Target(
        "1",
        "phone",
        "webhook",
        "http://x",
        None,
        [],
        True,
        "22:00",
        "07:00",
        True,
        "Asia/Kolkata",
        1,
        datetime.now(UTC),
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
    assert len(await desk.incidents.open_ones()) == 1


async def test_a_question_is_told_at_once_and_its_answer_is_not(desk: Desk) -> None:
    await desk.target()
    schema = {"type": "object", "properties": {"keep": {"type": "boolean"}}}
    question = await desk.questions.ask(NewQuestion("keep", "Keep this clip?", schema), lambda tx: None)
    await desk.look(1)
    await desk.questions.answer(question.id, {"keep": True}, who="ana")
    await desk.look(1)

    assert await desk.log() == [("sent", "INPUT_NEEDED")]
    assert await desk.incidents.open_ones() == []


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

    assert any(thread.name.startswith("notices") for thread in threading.enumerate())
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
    with pytest.raises(StaleTarget) as stale:
        await desk.notices.edit("hook", {"enabled": False}, revision=1)
    assert (stale.value.expected, stale.value.actual) == (1, 2)
    with pytest.raises(Conflict):
        await desk.target()

    await desk.notices.remove("hook")

    with pytest.raises(NotFound):
        await desk.notifier.test("hook")
