"""How many jobs ended how, kept when the jobs are not."""

from collections.abc import Mapping

from sqlalchemy.dialects import postgresql, sqlite

from daemons.database.transaction import Transaction
from daemons.models import JobCountTable


def count_ended(tx: Transaction, ended: Mapping[tuple[str, str, str], int]) -> None:
    """Add to the counts by (day, type, state) of jobs that are forgotten."""
    insert = sqlite.insert(JobCountTable) if tx.is_sqlite else postgresql.insert(JobCountTable)
    add = insert.on_conflict_do_update(
        index_elements=["day", "type", "state"], set_={"count": JobCountTable.count + insert.excluded.count}
    )
    tx.execute(add, [{"day": d, "type": t, "state": s, "count": n} for (d, t, s), n in ended.items()])
