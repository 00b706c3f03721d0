"""Small copies of records: kept by their hash, and found through a record's field whatever that says."""

from pathlib import Path
from typing import Any

import pytest

from daemons.workflows.polling.keeper.small_copies import NoSmallCopy, SmallCopies
from daemons.workflows.polling.records import Record

HASH = "0a" * 32
WEBP = b"RIFF" + (4).to_bytes(4, "little") + b"WEBP"


def a_record(thumbnail: object) -> Record:
    empty: dict[str, Any] = dict.fromkeys(Record._fields)
    return Record(**empty)._replace(code="ST0001", fields={"thumbnail": thumbnail})


async def test_what_is_kept_is_found_again(tmp_path: Path) -> None:
    copies = SmallCopies(tmp_path)

    await copies.keep(HASH, WEBP)
    await copies.keep("../../evil", WEBP)

    assert await copies.get(a_record(HASH)) == (HASH, WEBP)
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == [f"{HASH}.webp"]


@pytest.mark.parametrize("field", [None, 7, "", "../../etc/passwd", "b" * 64, HASH.upper()])
async def test_any_other_field_leads_nowhere(tmp_path: Path, field: object) -> None:
    await SmallCopies(tmp_path).keep(HASH, WEBP)

    with pytest.raises(NoSmallCopy, match="ST0001"):
        await SmallCopies(tmp_path).get(a_record(field))
