"""A folder of photographs climbs: real jobs and real worker processes."""

from collections import Counter
from pathlib import Path

import pytest

from daemons.bus import Bus
from daemons.database import Database
from daemons.folders.paths import wire_path
from daemons.workflows import describe, polling
from daemons.workflows.polling.keeper import NewRecord, RecordFilter, RecordKeeper
from tests.engine_deck import Deck, open_deck
from tests.fake_clock import FakeClock
from tests.pictures.samples import busy, canon_in_berlin, saved

pytestmark = [pytest.mark.timeout(120), pytest.mark.databases("sqlite")]
MANY = 6


async def climbed(deck: Deck, library: Path) -> None:
    args = {"ladders": ["stills"], "options": {"library": str(library)}}
    created = await deck.orders.create("climb", args)
    job = await deck.orders.wait(created.job.id)
    assert job.error is None


async def test_every_photograph_comes_to_its_end_or_to_a_person_with_reasons(
    database: Database, clock: FakeClock, bus: Bus, tmp_path: Path
) -> None:
    library = tmp_path / "library"
    library.mkdir()
    sources = []
    for number in range(MANY):
        folder = tmp_path / f"{number % 2}"
        folder.mkdir(exist_ok=True)
        exif = canon_in_berlin() if number % 3 else None
        sources.append(saved(busy(number, 320, 240), folder / f"{number // 2}.jpg", **({"exif": exif} if exif else {})))
    (tmp_path / "text.jpg").write_text("not a picture")
    sources.append(bytes(tmp_path / "text.jpg"))

    async with open_deck(database, clock, bus, describe.workflow, polling.workflow) as deck:
        keeper = deck.keepers.get(RecordKeeper)
        await keeper.add([NewRecord("stills", "0 - Pending File Info", wire_path(path)) for path in sources], by="test")
        await climbed(deck, library)
        records = (await keeper.list(RecordFilter(ladder="stills"), limit=100)).items

        statuses = Counter(record.status for record in records)
        assert statuses == {"6 - Generating Embeddings": 4, "Awaiting User Input": 2, "0 - Pending File Info": 1}
        done = [record for record in records if record.is_complete]
        assert len(done) == 4
        assert all(record.fields["description"].startswith("A landscape-format photograph") for record in done)
        assert all(record.fields["embedding"] for record in done)
        waiting = [record for record in records if record.status == "Awaiting User Input"]
        assert all(record.reasons[0].rule == "quality_too_low" for record in waiting)
        [parked] = [record for record in records if record.parked_at]
        assert parked.error is not None
        assert parked.error.code == "ERR_NOT_AN_IMAGE"
        assert sorted(path.name for path in library.glob("*.jpg")) == [
            "0-2.jpg",
            "0.jpg",
            "1-2.jpg",
            "1.jpg",
            "2-2.jpg",
            "2.jpg",
        ]

        await keeper.edit(
            waiting[0].id, {"caption": "Discs in Berlin, a print of the museum's collection, 1931."}, who="ana"
        )
        await climbed(deck, library)

        assert (await keeper.get(waiting[0].id)).is_complete
