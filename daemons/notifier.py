"""Tells people what goes wrong and when it is over: one message each, whatever happens in between.

findings, questions, tallies ──▶ incidents (after a while) ──▶ deliveries ──▶ targets

A message is sent at least once: it is stored with its incident, and tried until its target says that it has it. When
the deck dies between the sending and that answer, it comes once more with the same id, by which it can be known.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

import structlog

from daemons.clock import Clock
from daemons.errors import Unavailable
from daemons.findings import Finding
from daemons.incidents import Incident, Incidents, Wrong
from daemons.killpoints import reach
from daemons.notices import Delivery, Notices, Outcome, Target, Topic
from daemons.questions import Question, Questions
from daemons.sending import SECONDS, require_sender, send
from daemons.tallies import Tallies

log = structlog.get_logger("daemondeck.notices")

LOOK_SECONDS = 5.0
FIRST_RETRY_SECONDS = 30.0
TRIES_MOST = 6
CALM_SECONDS = 1800.0
"""For so long what flaps has to be gone before it is called stable again."""
THREADS = 4
"""Services of apprise that are spoken to at once; the next one waits for a thread."""
INPUT_KIND = "INPUT_NEEDED"
_TOPICS = {
    "ERR_DAEMON": Topic.DAEMONS,
    "ERR_JOBS": Topic.DAEMONS,
    "ERR_DISK": Topic.STORAGE,
    "ERR_FOLDER": Topic.STORAGE,
    "ERR_STORAGE": Topic.STORAGE,
    "ERR_DATA": Topic.STORAGE,
    "ERR_WAL": Topic.STORAGE,
    "ERR_BACKUP": Topic.STORAGE,
}
_UNTOLD = ("ERR_STARTING", "ERR_STOPPING")

Key = tuple[str, str]


class Notifier:
    """Looks, opens and closes incidents, and sends, from enter to exit."""

    def __init__(
        self,
        notices: Notices,
        incidents: Incidents,
        findings: Callable[[], Sequence[Finding]],
        questions: Questions,
        tallies: Tallies,
        clock: Clock,
        *,
        after: float,
        living: Callable[[], Awaitable[set[str]]],
    ) -> None:
        self._notices = notices
        self._incidents = incidents
        self._findings = findings
        self._questions = questions
        self._tallies = tallies
        self._clock = clock
        self._living = living
        """The ids of managers that look after their incidents themselves."""
        self._after = after
        """Seconds for which something has to be wrong before it is told, and over before that is."""
        self._seen: dict[Key, float] = {}
        self._gone: dict[Key, float] = {}
        self._ours: set[Key] = set()
        """Open incidents that this manager saw: another's are not ours to close."""
        self._orphans: dict[Key, float] = {}
        """Since when open incidents are nobody's."""
        self._pool = ThreadPoolExecutor(THREADS, "notices")
        self._busy_since: float | None = None
        self._sending: dict[str, asyncio.Task[None]] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        looking = asyncio.create_task(self._keep_looking(), name="notifier")
        self._stack.push_async_callback(self._end, looking)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def _end(self, looking: "asyncio.Task[None]") -> None:
        tasks = {looking, *self._sending.values()}
        for task in tasks:
            task.cancel()
        await self._clock.settle(tasks, 1.0)
        # A service that hangs is not waited for.
        self._pool.shutdown(wait=False, cancel_futures=True)

    # For people.

    async def add(self, name: str, values: Mapping[str, Any]) -> Target:
        """Add a target. Raises Invalid, with the remedy, when nothing here can send to it."""
        require_sender(values["kind"])
        return await self._notices.add(name, values)

    async def test(self, name: str) -> Delivery:
        """Send a message to a target now, once, and return how it went. Raises NotFound."""
        target = await self._notices.target(name)
        written = await self._notices.write_one(target, "test", "Daemondeck can reach you", "This is only a test.")
        if await self._notices.claim(written, self._clock.now() + timedelta(seconds=2 * SECONDS)):
            what = (target, written.title, written.body)
            sent = await send(self._clock, self._pool, *what, kind="test", number=written.id)
            outcome = Outcome.FAILED if sent.problem else Outcome.SENT
            await self._notices.settle(written, outcome, sent.problem)
        return await self._notices.delivery(written.id)

    # By itself.

    async def _keep_looking(self) -> None:
        while True:
            try:
                await self.look()
            except Unavailable:
                pass  # the next look is soon enough
            except Exception as error:  # noqa: BLE001 - one thing that cannot be told must not silence the rest
                log.error("Notifications could not be looked after.", error=repr(error))
            await self._clock.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Open what is wrong for long enough, close what is over, and have everything that is due sent."""
        wrong = {**self._wrong(), **await self._asked()}
        known = {(incident.kind, incident.subject): incident for incident in await self._incidents.open_ones()}
        now = self._clock.monotonic()
        for key, one in wrong.items():
            was_gone = self._gone.pop(key, None) is not None
            if key in known:
                if was_gone:
                    await self._incidents.count_again(known[key])
            elif now - self._seen.setdefault(key, now) >= self._patience(key):
                await self._incidents.open(*key, one)
                reach("incident stored")
                self._ours.add(key)
        for key in [seen for seen in self._seen if seen not in wrong]:
            del self._seen[key]
        self._ours.update(key for key in known if key in wrong)
        await self._inherit(known, wrong, now)
        for key, incident in known.items():
            is_gone = key in self._ours and key not in wrong
            patience = CALM_SECONDS if incident.is_flapping else self._patience(key)
            if is_gone and now - self._gone.setdefault(key, now) >= patience:
                await self._close(incident, now - self._gone[key] if incident.is_flapping else 0.0)
                self._ours.discard(key)
                del self._gone[key]
        await self._tell_drained(now)
        await self._send_due()

    async def _inherit(self, known: Mapping[Key, Incident], wrong: Mapping[Key, Wrong], now: float) -> None:
        """Take over what a dead manager opened: at once what is seen here, else when nobody who sees it did."""
        ours = self._incidents.manager_id
        orphans = {key: one for key, one in known.items() if one.manager_id != ours}
        living = await self._living() if orphans else set()
        orphans = {key: one for key, one in orphans.items() if one.manager_id not in living}
        self._orphans = {key: self._orphans.get(key, now) for key in orphans}
        for key, incident in orphans.items():
            is_left = key in wrong or now - self._orphans[key] >= 2 * self._after
            if is_left and await self._incidents.take_over(incident):
                self._ours.add(key)

    def _patience(self, key: Key) -> float:
        return 0.0 if key[0] == INPUT_KIND else self._after

    def _wrong(self) -> dict[Key, Wrong]:
        return {
            (finding.code, (finding.subject or "")[:255]): Wrong(
                topic_of(finding.code),
                finding.message,
                f"{finding.message} {finding.remedy or ''}".strip(),
                is_urgent=finding.severity == "error",
            )
            for finding in self._findings()
            if finding.is_trouble and finding.code not in _UNTOLD
        }

    async def _asked(self) -> dict[Key, Wrong]:
        return {
            (INPUT_KIND, question.id): Wrong(
                Topic.INPUT,
                f"{question.daemon_name or 'A job'} asks: {question.title}",
                f"{question.detail or question.title} Answer on the Inbox page.",
            )
            for question in await self._open_questions()
        }

    async def _open_questions(self) -> list[Question]:
        found: list[Question] = []
        page = await self._questions.list(limit=200)
        found += page.items
        while page.next is not None:
            page = await self._questions.list(before=found[-1], limit=200)
            found += page.items
        return found

    async def _close(self, incident: Incident, gone: float) -> None:
        is_told = incident.kind != INPUT_KIND
        await self._incidents.recover(incident, topic_of(incident.kind), gone=gone, is_told=is_told)

    async def _tell_drained(self, now: float) -> None:
        tally = self._tallies.now
        if tally.active + tally.queued:
            self._busy_since = now if self._busy_since is None else self._busy_since
            return
        was_busy = self._busy_since is not None and now - self._busy_since >= self._after
        self._busy_since = None
        if was_busy:
            body = f"{tally.ended:,} jobs ended in the last day, {tally.failed:,} of them failed."
            await self._notices.tell_all(Topic.DRAINED, "drained", "Every job has ended", body)

    # Sending.

    async def _send_due(self) -> None:
        """Send what is due, each target for itself: a slow one delays nobody else."""
        due: dict[str, list[Delivery]] = {}
        for delivery in await self._notices.due(self._clock.now()):
            if delivery.target_id is not None:
                due.setdefault(delivery.target_id, []).append(delivery)
        found = await self._notices.targets() if due else ()
        targets = {target.id: target for target in found if target.enabled}
        self._sending = {key: task for key, task in self._sending.items() if not task.done()}
        for target_id, deliveries in due.items():
            if target_id in targets and target_id not in self._sending:
                target = targets[target_id]
                if now_due := await self._not_held(target, deliveries):
                    sending = self._send(target, now_due)
                    self._sending[target_id] = asyncio.create_task(sending, name=f"notices for {target.name}")

    async def _not_held(self, target: Target, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
        """Have what is due, but not in quiet hours, such as another try, wait for their end; return the rest."""
        now = self._clock.now()
        held = [one for one in deliveries if target.held_until(now, is_urgent=one.urgent)]
        if held and (end := target.quiet_end(now)):
            await self._notices.hold(held, end)
        return [one for one in deliveries if one not in held]

    async def _send(self, target: Target, deliveries: Sequence[Delivery]) -> None:
        with suppress(Unavailable):
            lease = self._clock.now() + timedelta(seconds=4 * SECONDS)
            ours = [one for one in deliveries if await self._notices.claim(one, lease)]
            if not ours:
                return
            reach("message claimed")
            first = ours[0]
            title = first.title if len(ours) == 1 else f"{len(ours)} messages: {first.title}"
            body = first.body if len(ours) == 1 else "\n".join(f"{one.title}: {one.body}" for one in ours)
            sent = await send(self._clock, self._pool, target, title, body, kind=first.kind, number=first.id)
            reach("message sent")
            for one in ours:
                await self._keep(one, sent.problem, sent.is_final, sent.retry_after)

    async def _keep(self, one: Delivery, problem: str | None, is_final: bool, retry_after: float) -> None:
        if problem is None:
            return await self._notices.settle(one, Outcome.SENT, None)
        if is_final or one.tries + 1 >= TRIES_MOST:
            return await self._notices.settle(one, Outcome.FAILED, problem)
        seconds = max(retry_after, FIRST_RETRY_SECONDS * 2.0**one.tries)
        return await self._notices.settle(one, Outcome.WAITING, problem, self._clock.now() + timedelta(seconds=seconds))


def topic_of(kind: str) -> Topic:
    """Return the topic under which targets hear of a finding's code."""
    if kind == INPUT_KIND:
        return Topic.INPUT
    return next((topic for beginning, topic in _TOPICS.items() if kind.startswith(beginning)), Topic.DECK)
