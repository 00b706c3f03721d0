"""Records of a FileMaker layout climb, over a real socket: nothing of either side is lost, and nobody is fought."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from daemons.bus import Bus
from daemons.clients.errors import NotConfigured, ServerAway
from daemons.clients.filemaker.errors import FieldMissing
from daemons.database import Database
from daemons.errors import DaemonError
from daemons.ids import new_id
from daemons.settings.filemaker import LayoutSettings
from daemons.tasks import beside
from daemons.workflows.polling.climber import Climber
from daemons.workflows.polling.in_step import keep_in_step
from daemons.workflows.polling.keeper import NewRecord, Reason, Record, RecordKeeper
from daemons.workflows.polling.keeper.remotes import Side
from daemons.workflows.polling.ladder import Ladder, Outcome, Step, StepContext
from daemons.workflows.polling.stores.filemaker import BY, LOOK_UP_SECONDS, FileMakerStore, Pulled
from daemons.workflows.polling.stores.filemaker_fields import FieldMap, path_of
from tests.clients.filemaker.bench import CODE, CONSOLE, FILE, STATUS, Bench, open_bench, until
from tests.engine_deck import keeper_tools
from tests.fake_clock import FakeClock

NEW, FOUND, ASKING, FORCED, TOP = (
    "0 - Pending File Info",
    "1 - File Info Complete",
    "Awaiting User Input",
    "Force Resume",
    "6 - Generating Embeddings",
)
DESCRIPTION, ORIGINAL, URL, SIZE = "INFO_Description", "INFO_Description_Original", "SPECS_URL", "SPECS_File_Size"
SERVER = "SPECS_Filepath_Server"
pytestmark = pytest.mark.databases("sqlite")


async def find(ctx: StepContext, record: Record) -> Outcome:
    return Outcome({"size": 1234})


async def judge(ctx: StepContext, record: Record) -> Outcome:
    if not record.fields.get("caption"):
        return Outcome(to=ASKING, reasons=[Reason("no_caption", "It has no caption.", "caption")])
    return Outcome({"description": f"What is seen: {record.fields['caption']}"}, note="By hand.")


LADDER = Ladder(
    "stills",
    "Stills",
    "ST",
    steps=(
        Step("file_info", find, (NEW,), FOUND),
        Step("describe", judge, (FOUND, ASKING, FORCED), TOP),
    ),
    statuses=(NEW, FOUND, ASKING, FORCED, TOP),
    final=frozenset({TOP}),
    awaiting=ASKING,
    forced=FORCED,
)


class Job:
    """The JobContext of one climb, as far as climbing needs it."""

    def __init__(self, database: Database) -> None:
        self.job_id, self.attempt = new_id(), 1
        self._database = database

    async def write(self, unit: Any) -> Any:
        return await self._database.write(unit)

    async def progress(self, done: float, total: float | None = None, text: str | None = None) -> None: ...

    async def log(self, level: Any, message: object, *, item_id: str | None = None) -> None: ...


class Studio:
    """FileMaker, our records, and the store between them."""

    def __init__(self, bench: Bench, keeper: RecordKeeper, database: Database) -> None:
        self.bench, self.keeper, self.clock = bench, keeper, bench.clock
        self.stills = bench.stills
        self.store = FileMakerStore(keeper, bench.client, "stills", bench.clock)
        self._database = database

    async def climb(self) -> None:
        """Climb until nothing is due."""
        job: Any = Job(self._database)
        climber = Climber(job, self.keeper, [LADDER], None, self.clock, concurrency=4, chain_limit=5, interval=10)
        async with asyncio.timeout(20):
            await climber.run(linger=0)

    def there(self, record_id: int = 1) -> dict[str, Any]:
        return self.stills.records[record_id].fields


@pytest.fixture
def keeper(database: Database, clock: FakeClock, bus: Bus) -> RecordKeeper:
    return RecordKeeper(keeper_tools(database, clock, bus=bus), {"stills": LADDER})


@pytest.fixture
async def studio(keeper: RecordKeeper, database: Database, clock: FakeClock) -> AsyncIterator[Studio]:
    async with open_bench(clock) as bench:
        yield Studio(bench, keeper, database)


@pytest.mark.databases("sqlite", "postgresql")
async def test_a_record_is_taken_climbs_and_is_written_back(studio: Studio) -> None:
    studio.stills.add(
        **{CODE: "ST0041", STATUS: NEW, FILE: "/photos/a\\b.jpg", ORIGINAL: "A dog", CONSOLE: "Imported."}
    )

    assert await studio.store.pull() == Pulled(found=1, added=1)
    taken = await studio.keeper.get("ST0041")
    await studio.climb()
    pushed = await studio.store.push()

    assert (taken.source, taken.title, taken.status) == ("filemaker:Stills/1", "a\\\\b.jpg", NEW)
    assert taken.fields == {"file_path": "/photos/a\\\\b.jpg", "caption": "A dog"} and taken.due_at is not None
    assert taken.provenance["caption"]["by"] == BY
    assert (pushed.sent, pushed.failed, pushed.gone) == (1, [], 0)
    assert (studio.there()[STATUS], studio.there()[DESCRIPTION]) == (TOP, "What is seen: A dog")
    assert studio.there()[SIZE] == "1234" and studio.there()[FILE] == "/photos/a\\b.jpg"
    first, info, described = studio.there()[CONSOLE].split("\r")
    assert first == "Imported." and "file_info done" in info and described.endswith(f"{TOP} By hand.")
    assert (await studio.store.push()).sent == 0 and studio.stills.records[1].mod_id == 1


async def test_nothing_that_stays_the_same_is_written_or_moved(studio: Studio) -> None:
    studio.stills.add(**{CODE: "ST0001", STATUS: NEW})
    await studio.store.pull()
    before = await studio.keeper.get("ST0001")

    for _ in range(3):
        assert await studio.store.pull() == Pulled(found=1)
        assert (await studio.store.push()).sent == 0

    assert (await studio.keeper.get("ST0001")).revision == before.revision
    assert studio.stills.records[1].mod_id == 0


@pytest.mark.databases("sqlite", "postgresql")
async def test_codes_of_ours_go_on_where_theirs_left_off(studio: Studio) -> None:
    for number in range(1, 36):
        studio.stills.add(**{CODE: f"ST{number:04}", STATUS: TOP if number % 2 else NEW})

    assert await studio.store.pull() == Pulled(found=17, added=17)
    (ours,) = await studio.keeper.add([NewRecord("stills", NEW, "/drop/x.jpg")], by="test")
    assert ours.code == "ST0035"


async def test_a_status_somebody_moved_is_taken_as_it_is(studio: Studio) -> None:
    studio.stills.add(**{CODE: "ST0001", STATUS: NEW})
    await studio.store.pull()
    await studio.climb()
    await studio.store.push()
    assert studio.there()[STATUS] == ASKING and "It has no caption." in studio.there()[CONSOLE]

    # A person has it go on, there.
    studio.stills.write(1, **{STATUS: FORCED, ORIGINAL: "A cat"})
    assert await studio.store.pull() == Pulled(found=1, changed=1)
    record = await studio.keeper.get("ST0001")
    moved = (await studio.keeper.story(record))[0]
    assert (record.status, record.fields["caption"], moved.by) == (FORCED, "A cat", BY)

    await studio.climb()
    await studio.store.push()
    assert (studio.there()[STATUS], studio.there()[DESCRIPTION]) == (TOP, "What is seen: A cat")


async def test_who_moves_a_record_while_it_climbs_here_wins(studio: Studio) -> None:
    studio.stills.add(**{CODE: "ST0001", STATUS: NEW, ORIGINAL: "A dog", CONSOLE: "one"})
    await studio.store.pull()
    await studio.climb()
    studio.stills.write(1, **{STATUS: ASKING, DESCRIPTION: "By a person.", CONSOLE: "one\rtwo"})

    await studio.store.push()

    there, record = studio.there(), await studio.keeper.get("ST0001")
    assert (there[STATUS], there[DESCRIPTION], there[SIZE]) == (ASKING, "By a person.", "1234")
    assert there[CONSOLE].startswith("one\rtwo\r[")
    assert (record.status, record.fields["description"]) == (ASKING, "By a person.")
    assert (await studio.store.push()).sent == 0


async def test_what_happens_while_filemaker_is_away_is_sent_when_it_is_back(studio: Studio, clock: FakeClock) -> None:
    for number in range(1, 4):
        studio.stills.add(**{CODE: f"ST{number:04}", STATUS: NEW, ORIGINAL: "A dog"})
    await studio.store.pull()
    studio.bench.server.is_away = True
    await studio.climb()
    for _ in range(6):
        with pytest.raises(ServerAway):
            await studio.bench.resting(studio.store.push())
        with pytest.raises(ServerAway):
            await studio.bench.resting(studio.store.pull())
        await clock.advance(600)

    studio.bench.server.is_away = False
    # Another process, which knows only what is stored.
    studio.store = FileMakerStore(studio.keeper, studio.bench.client, "stills", clock)
    assert (await studio.store.push()).sent == 3

    assert {record.fields[STATUS] for record in studio.stills.records.values()} == {TOP}
    assert all("describe done" in record.fields[CONSOLE] for record in studio.stills.records.values())


async def test_an_answer_that_is_lost_was_not_in_vain(studio: Studio) -> None:
    studio.stills.add(**{CODE: "ST0001", STATUS: NEW, ORIGINAL: "A dog"})
    await studio.store.pull()
    await studio.climb()
    studio.bench.server.loses = ["PATCH"]

    assert (await studio.bench.resting(studio.store.push())).sent == 1

    assert studio.stills.records[1].mod_id == 1 and studio.there()[CONSOLE].count("describe done") == 1


async def test_who_dies_between_writing_and_noting_it_moves_nothing_back(studio: Studio, keeper: RecordKeeper) -> None:
    studio.stills.add(**{CODE: "ST0001", STATUS: NEW})
    await studio.store.pull()
    record = await keeper.get("ST0001")
    await keeper.move(record.id, FOUND, who="ana")
    studio.bench.server.loses = ["PATCH"]
    pushing = asyncio.create_task(studio.store.push())
    await until(lambda: studio.stills.records[1].mod_id == 1)
    pushing.cancel()
    await asyncio.wait({pushing})
    # It was not noted that this was written; the record goes on meanwhile.
    await keeper.move(record.id, FORCED, who="ana")
    studio.store = FileMakerStore(keeper, studio.bench.client, "stills", studio.clock)

    await studio.store.pull()
    assert (await keeper.get("ST0001")).status == FORCED
    await studio.store.push()

    assert studio.there()[STATUS] == FORCED and studio.there()[CONSOLE].count(f"to {FOUND}") == 1


async def test_a_record_in_use_or_refused_does_not_hold_up_the_others(studio: Studio, clock: FakeClock) -> None:
    for number in range(1, 4):
        studio.stills.add(**{CODE: f"ST{number:04}", STATUS: NEW, ORIGINAL: "A dog"})
    await studio.store.pull()
    await studio.climb()
    studio.bench.server.in_use.add(2)

    pushed = await studio.bench.resting(studio.store.push())
    assert (pushed.sent, [code for code, _ in pushed.failed]) == (2, ["ST0002"])
    again = await studio.store.push()
    assert (again.sent, again.failed) == (0, [])

    studio.bench.server.in_use.clear()
    await clock.advance(10)
    assert (await studio.store.push()).sent == 1 and studio.there(2)[STATUS] == TOP


async def test_a_record_deleted_there_goes_on_here(studio: Studio) -> None:
    for number in range(1, 3):
        studio.stills.add(**{CODE: f"ST{number:04}", STATUS: NEW})
    await studio.store.pull()
    del studio.stills.records[1]
    assert (await studio.store.pull()).gone == 1
    del studio.stills.records[2]
    await studio.climb()

    assert (await studio.store.push()).gone == 1

    assert (await studio.keeper.get("ST0001")).status == (await studio.keeper.get("ST0002")).status == ASKING
    assert (await studio.store.push()).gone == (await studio.store.pull()).gone == 0


async def test_a_record_that_was_moved_to_the_end_there_is_complete_here(studio: Studio) -> None:
    studio.stills.add(**{CODE: "ST0001", STATUS: ASKING})
    await studio.store.pull()
    studio.stills.write(1, **{STATUS: TOP})

    assert await studio.store.pull() == Pulled(found=0, changed=1)
    assert (await studio.keeper.get("ST0001")).is_complete


async def test_what_was_complete_is_not_once_it_has_a_status_of_no_ladder(studio: Studio) -> None:
    studio.stills.add(**{CODE: "ST0001", STATUS: ASKING})
    await studio.store.pull()
    studio.stills.write(1, **{STATUS: TOP})
    await studio.store.pull()
    before = await studio.keeper.get("ST0001")
    studio.stills.write(1, **{STATUS: "please look at this"})
    await studio.keeper.edit(before.id, {"caption": "A dog"}, who="ana")
    await studio.store.push()
    after = await studio.keeper.get("ST0001")

    assert (before.is_complete, after.is_complete) == (True, False)
    assert after.parked_at is not None


async def test_a_status_of_no_ladder_stops_the_record_until_it_has_one(studio: Studio, clock: FakeClock) -> None:
    studio.stills.add(**{CODE: "ST0001", STATUS: NEW})
    await studio.store.pull()
    studio.stills.write(1, **{STATUS: "please look at this"})
    await studio.store.pull()

    record = await studio.keeper.get("ST0001")
    assert record.parked_at is not None and record.due_at is None and record.error is not None
    assert record.error.code == "ERR_UNKNOWN_STATUS" and "please look at this" in record.error.message
    asked = len(studio.bench.server.calls("GET", "/records/1"))
    await studio.climb()
    for _ in range(3):
        await studio.store.push()
        await studio.store.pull()
    assert studio.there()[STATUS] == "please look at this"
    # It is not looked for again at each pull.
    assert len(studio.bench.server.calls("GET", "/records/1")) <= asked + 1
    await clock.advance(LOOK_UP_SECONDS)
    await studio.store.pull()
    assert len(studio.bench.server.calls("GET", "/records/1")) > asked

    studio.stills.write(1, **{STATUS: FOUND})
    await studio.store.pull()
    record = await studio.keeper.get("ST0001")
    assert (record.status, record.parked_at) == (FOUND, None)


async def test_a_form_that_is_open_here_is_not_written_into(studio: Studio, clock: FakeClock) -> None:
    studio.stills.add(**{CODE: "ST0001", STATUS: ASKING})
    await studio.store.pull()
    record = await studio.keeper.lock((await studio.keeper.get("ST0001")).id, who="ana")
    studio.stills.write(1, **{ORIGINAL: "From there", STATUS: FORCED})

    assert await studio.store.pull() == Pulled(found=1, left=1)
    await studio.keeper.edit(record.id, {"caption": "From here"}, who="ana")
    assert (await studio.store.pull()).changed == 1

    record = await studio.keeper.get("ST0001")
    assert (record.status, record.fields["caption"]) == (FORCED, "From there")


async def test_what_a_person_wrote_here_is_sent(studio: Studio) -> None:
    studio.stills.add(**{CODE: "ST0001", STATUS: ASKING, URL: "https://example.org"})
    await studio.store.pull()
    record = await studio.keeper.get("ST0001")
    await studio.keeper.edit(record.id, {"caption": "Two\nlines", "url": None, "notes": "ours alone"}, who="ana")

    await studio.store.push()

    assert (studio.there()[ORIGINAL], studio.there()[URL]) == ("Two\rlines", "")
    assert (await studio.store.pull()).changed == 0


async def test_what_nobody_changed_is_not_spelled_in_our_way_there(studio: Studio) -> None:
    server = "imagemac:/Photos/a.jpg"
    studio.stills.add(**{CODE: "ST0001", STATUS: ASKING, SERVER: server, SIZE: "12.50"})
    await studio.store.pull()
    record = await studio.keeper.get("ST0001")
    assert record.fields["library_path"] == "/Volumes/Photos/a.jpg"
    await studio.keeper.edit(record.id, {"caption": "A dog"}, who="ana")

    await studio.store.push()

    assert (studio.there()[ORIGINAL], studio.there()[SERVER], studio.there()[SIZE]) == ("A dog", server, "12.50")
    await studio.keeper.edit(record.id, {"library_path": "/library/a\\\\b.jpg"}, who="ana")
    await studio.store.push()
    assert studio.there()[SERVER] == "/library/a\\b.jpg"


async def test_two_records_of_one_code_are_told_apart(studio: Studio) -> None:
    for _ in range(2):
        studio.stills.add(**{CODE: "ST0001", STATUS: NEW})

    await studio.store.pull()

    assert (await studio.keeper.get("ST0001")).source == "filemaker:Stills/1"
    assert (await studio.keeper.get("ST0002")).source == "filemaker:Stills/2"


async def test_fields_that_the_layout_lacks_are_left_alone(
    keeper: RecordKeeper, database: Database, clock: FakeClock
) -> None:
    async with open_bench(clock) as bench:
        table = bench.server.table("Stills", CODE, STATUS, ORIGINAL)
        studio = Studio(bench, keeper, database)
        table.add(**{CODE: "ST0001", STATUS: NEW, ORIGINAL: "A dog"})
        await studio.store.pull()
        await studio.climb()
        await studio.store.push()

        assert table.records[1].fields[STATUS] == TOP
        assert CONSOLE in await studio.store.missing() and ORIGINAL not in await studio.store.missing()
        bench.server.table("Stills", CODE)
        with pytest.raises(FieldMissing):
            await FileMakerStore(keeper, bench.client, "stills", clock).pull()


async def test_a_ladder_without_a_layout_has_no_store(keeper: RecordKeeper, clock: FakeClock) -> None:
    async with open_bench(clock, stills={"layout": ""}) as bench:
        with pytest.raises(NotConfigured, match=r"filemaker\.stills\.layout"):
            FileMakerStore(keeper, bench.client, "stills", clock)


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("/Volumes/Photos/a.jpg", "/Volumes/Photos/a.jpg"),
        ("imagemac:/Photos/a.jpg\nimage:a.jpg", "/Volumes/Photos/a.jpg"),
        ("file:///Photos/a b.jpg", "/Photos/a b.jpg"),
        ("filelinux:/photos/ä.jpg", "/photos/ä.jpg"),
        ("  ", ""),
    ],
)
def test_paths_are_taken_as_filemaker_spells_them(given: str, taken: str) -> None:
    assert path_of(given) == taken


def test_values_go_there_and_back() -> None:
    settings = LayoutSettings(
        layout="L",
        status="S",
        fields={"keywords": "K", "taken_at": "T", "day": "D", "latitude": "N", "facts": "F"},
    )
    names = FieldMap(settings, {"S": "text", "K": "text", "T": "timestamp", "D": "date", "N": "number", "F": "text"})
    ours = {
        "keywords": ["dog", "cat"],
        "taken_at": "2020-05-01T12:30:00+00:00",
        "day": "2020-05-01",
        "latitude": 12.5,
        "facts": {"a": 1},
    }

    spelled = names.writable(ours)
    seen = names.seen(names.as_record("1", "0", Side("x", spelled)))

    assert spelled == {
        "keywords": "dog\ncat",
        "taken_at": "05/01/2020 12:30:00",
        "day": "05/01/2020",
        "latitude": "12.5",
        "facts": "",
    }
    assert seen.values == {
        "keywords": ["dog", "cat"],
        "taken_at": "2020-05-01T12:30:00",
        "day": "2020-05-01",
        "latitude": 12.5,
        "facts": "",
    }
    assert names.spell("day", "some time in spring") == names.spell("day", None) == ""
    assert names.seen(names.as_record("1", "0", Side("x", {"day": "99/99/0000"}))).values["day"] == "99/99/0000"


async def test_what_changes_here_is_written_soon_and_looked_for_there_only_now_and_then(
    studio: Studio, clock: FakeClock
) -> None:
    changed, in_step, reported = asyncio.Event(), asyncio.Event(), list[str]()

    async def report(what: str, error: DaemonError) -> None:
        reported.append(f"{what} {error.error_code}")

    studio.stills.add(**{CODE: "ST0001", STATUS: NEW})
    with studio.keeper.hearing(changed.set, ["stills"]):
        async with beside(keep_in_step(studio.store, changed, lambda: 10.0, report, clock, in_step.set), "in step"):
            finds = studio.bench.server.calls
            await until(lambda: len(finds("POST", "_find")) == 1 and not studio.bench.server.at_work)
            await clock.idle()
            record = await studio.keeper.get("ST0001")
            for status in (FOUND, ASKING, FOUND):
                await studio.keeper.move(record.id, status, who="ana")
                await clock.advance(1)
                await until(lambda status=status: studio.there()[STATUS] == status)
            assert len(finds("POST", "_find")) == 1

            studio.bench.server.is_away = True
            await clock.advance(10)
            await until(lambda: reported)
            studio.stills.write(1, **{STATUS: FORCED})
            studio.bench.server.is_away = False
            for _ in range(30):
                await clock.advance(10)
                await until(lambda: not studio.bench.server.at_work)
                if (await studio.keeper.get("ST0001")).status == FORCED:
                    break

    assert (await studio.keeper.get("ST0001")).status == FORCED
    assert reported[0].startswith("FileMaker ERR_")


async def test_many_records_are_taken_in_pages(studio: Studio) -> None:
    for number in range(1, 61):
        studio.stills.add(**{CODE: f"ST{number:04}", STATUS: NEW})

    assert (await studio.store.pull()).added == 60
    assert (await studio.store.pull()) == Pulled(found=60)
