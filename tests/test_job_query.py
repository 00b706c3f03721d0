"""Questions about jobs, as people type them."""

import pytest
from sqlalchemy import case, null, text, update
from sqlalchemy.dialects import sqlite

from daemons.database import Database
from daemons.jobs import Jobs
from daemons.jobs.filters import COUNTED, JobFilter, tally_of
from daemons.jobs.query import KEYS, BadQuery, JobQuery, Term, parse
from daemons.jobs.rows import JOBS
from daemons.states import JobState
from tests.fake_clock import FakeClock
from tests.test_jobs import claim, finish, new, store


@pytest.mark.parametrize(
    ("text", "terms", "rest"),
    [
        ("", (), ""),
        ("night watch", (), "night watch"),
        ('say "hello"', (), 'say "hello"'),
        ('"http://a.b"', (), "http://a.b"),
        ("12:30", (), "12:30"),
        ("state:failed", (Term("state", ("failed",)),), ""),
        ("STATE:Failed,queued", (Term("state", ("failed", "queued")),), ""),
        ("-state:completed holiday", (Term("state", ("completed",), True),), "holiday"),
        ('daemon:"a b",c', (Term("daemon", ("a b", "c")),), ""),
        ('a type:x "b c" d', (Term("type", ("x",)),), "a b c d"),
        ('type:x "since:1h"', (Term("type", ("x",)),), "since:1h"),
        ("since:1h until:2026-01-31", (Term("since", ("1h",)), Term("until", ("2026-01-31",))), ""),
    ],
)
def test_a_question_is_read_and_written_so_that_it_reads_the_same(
    text: str, terms: tuple[Term, ...], rest: str
) -> None:
    query = parse(text)

    assert query == JobQuery(terms, rest)
    assert parse(str(query)) == query


@pytest.mark.parametrize(
    ("text", "token", "place"),
    [
        ("state:sleeping", "state:sleeping", 0),
        ("a b colour:red", "colour:red", 4),
        ("type:", "type:", 0),
        ("type:x  daemon:,", "daemon:,", 8),
        ("since:yesterday", "since:yesterday", 0),
        ("since:999999w", "since:999999w", 0),
        ("until:0001-01-01", "until:0001-01-01", 0),
        ("-since:1h", "-since:1h", 0),
        ("ended:1h,2h", "ended:1h,2h", 0),
        ("http://a.b", "http://a.b", 0),
    ],
)
def test_a_word_that_means_nothing_is_named_with_its_place(text: str, token: str, place: int) -> None:
    with pytest.raises(BadQuery) as refused:
        parse(text)

    assert (refused.value.token, refused.value.place) == (token, place)
    assert token in refused.value.message


@pytest.mark.parametrize("text", ["x" * 10_000, '"' * 999, "a:" * 500, "-" * 1000, "type:\u202e\U0001f600", ":::"])
def test_whatever_is_typed_is_read_or_refused(text: str) -> None:
    try:
        assert parse(str(parse(text))) == parse(text)
    except BadQuery as refused:
        assert len(refused.message) < 1000


def test_every_key_has_an_example() -> None:
    assert all(example.startswith(f"{key}:") for key, example in KEYS.items())


async def found(database: Database, clock: FakeClock, q: str) -> list[str]:
    return [job.id[-1] for job in (await Jobs(database, clock).list(JobFilter(q=q))).items]


async def test_the_database_finds_what_is_asked_for(database: Database, clock: FakeClock) -> None:
    await store(database, new(1, type="scan"), new(2, type="copy", lane="io"), new(3, parent_id="job-001"))
    [first] = await claim(database)
    await finish(database, [first])
    await clock.advance(7200)
    await store(database, new(4, type="copy", daemon_name="gone"))
    await database.write(
        lambda tx: tx.execute(update(JOBS).where(JOBS.c.id == "job-002").values(error_code="ERR_AWAY"))
    )

    async def ask(q: str) -> list[str]:
        return await found(database, clock, q)

    assert await ask("type:copy") == ["4", "2"]
    assert await ask("type:copy since:1h") == ["4"]
    assert await ask("until:1h -state:completed") == ["3", "2"]
    assert await ask("state:queued,completed -lane:io parent:job-001") == ["3"]
    assert await ask("code:err_away") == ["2"]
    assert await ask("-code:ERR_AWAY") == ["4", "3", "1"]
    assert await ask("-daemon:gone") == ["3", "2", "1"]
    assert await ask("daemon:gone,nobody") == ["4"]
    assert await ask("ended:3h") == ["1"]
    assert await ask("state:failed -state:failed") == []
    assert await ask("job-00 state:completed") == ["1"]
    assert await ask("cop") == ["4", "2"]


async def test_jobs_with_a_code_come_newest_first_whatever_their_state_is(database: Database, clock: FakeClock) -> None:
    await store(database, *(new(number) for number in range(1, 7)))
    of_state = case((JOBS.c.number % 2 == 0, "failed"), else_="cancelled")
    await database.write(lambda tx: tx.execute(update(JOBS).values(error_code="ERR_AWAY", state=of_state)))
    jobs, chosen = Jobs(database, clock), JobFilter(q="code:ERR_AWAY")

    first = await jobs.list(chosen, limit=4)
    rest = await jobs.list(chosen, cursor=first.next, limit=4)

    assert [job.id[-1] for job in (*first.items, *rest.items)] == ["6", "5", "4", "3", "2", "1"]
    assert await jobs.tally(chosen) == {JobState.FAILED: 3, JobState.CANCELLED: 3}


@pytest.mark.databases("sqlite")
async def test_jobs_with_a_code_are_counted_without_a_look_at_each(database: Database, clock: FakeClock) -> None:
    statement = tally_of(JobFilter(q="state:failed code:ERR_AWAY since:1h"), clock.now())
    spelled = statement.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})

    plan = await database.fetch(text(f"EXPLAIN QUERY PLAN {spelled}".replace(":", "\\:")))

    steps = [row.detail for row in plan if " jobs " in row.detail]
    assert len(steps) == len(JobState)
    assert all("USING COVERING INDEX ix_jobs_error_code_state_number" in step for step in steps)


async def test_the_codes_that_there_are_can_be_listed(database: Database, clock: FakeClock) -> None:
    jobs = Jobs(database, clock)
    assert await jobs.codes() == []
    await store(database, *(new(number) for number in range(1, 6)))
    code = case((JOBS.c.number == 1, null()), (JOBS.c.number < 4, "ERR_FULL"), else_="ERR_AWAY")
    await database.write(lambda tx: tx.execute(update(JOBS).values(error_code=code)))

    assert await jobs.codes() == ["ERR_AWAY", "ERR_FULL"]


async def test_jobs_are_counted_by_state_whichever_state_is_asked_for(database: Database, clock: FakeClock) -> None:
    await store(database, new(1), new(2), new(3, type="copy"))
    await finish(database, await claim(database))

    tally = await Jobs(database, clock).tally(JobFilter(q="type:scan state:failed"))

    assert tally == {JobState.QUEUED: 1, JobState.COMPLETED: 1}
    assert COUNTED == 10_000


async def test_news_are_counted_and_what_no_longer_matches_is_found(database: Database, clock: FakeClock) -> None:
    await store(database, new(1), new(2))
    await finish(database, await claim(database))
    await store(database, new(3), new(4, type="copy"))

    news = await Jobs(database, clock).news(
        JobFilter(q="state:queued type:scan"), after="job-002", shown=["job-001", "job-002"]
    )

    assert news == (1, ["job-002"])
