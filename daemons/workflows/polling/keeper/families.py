"""Records and what is below them: a step that needs its children begins once all are complete, and not before.

Whoever changes a child calls `heed` in the same unit. A record that waits is told of once more whenever that changes
what it waits for: pages that show it read themselves again.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import bindparam, exists, select, update

from daemons.database.transaction import Transaction
from daemons.events import ItemChanged
from daemons.workflows.polling.keeper.rows import COLUMNS, RECORDS, TOPIC, record_of
from daemons.workflows.polling.ladder import Ladder, Step
from daemons.workflows.polling.records import Record

WOKEN_AT_ONCE = 500

_R = RECORDS.c
_below = RECORDS.alias("below").c
_one = select(*COLUMNS).where(_R.id == bindparam("b_id")).with_for_update()


def has_open_children(tx: Transaction, record_id: str) -> bool:
    """Whether a record below this one is not complete."""
    is_open = exists(select(_R.id).where(_R.parent_id == record_id, _R.is_complete.is_(False)))
    return bool(tx.execute(select(is_open)).scalar())


def has_to_wait(tx: Transaction, step: Step | None, record_id: str) -> bool:
    """Whether the record's next step is one that what is below it keeps from beginning."""
    return step is not None and step.needs_children and has_open_children(tx, record_id)


def is_at_rest(record: Record) -> bool:
    """Whether nothing goes on with the record by itself, though it is not complete."""
    return not record.is_complete and record.due_at is None and record.running_since is None


def wake(tx: Transaction, ladders: Mapping[str, Ladder]) -> int:
    """Have those go on that nothing below them holds up, and that nobody told; return how many there were.

    There are some only where rows were written or deleted past the keeper, or by a version that told less.
    """
    found = 0
    for ladder in ladders.values():
        statuses = {status for step in ladder.steps if step.needs_children for status in step.origins}
        if not statuses:
            continue
        is_open = exists(select(_below.parent_id).where(_below.parent_id == _R.id, _below.is_complete.is_(False)))
        rests = (_R.due_at.is_(None), _R.held_by.is_(None), _R.parked_at.is_(None), _R.is_complete.is_(False))
        idle = select(*COLUMNS).where(_R.ladder == ladder.name, _R.status.in_(statuses), *rests, ~is_open)
        for row in tx.execute(idle.limit(WOKEN_AT_ONCE).with_for_update(skip_locked=True)).all():
            parent = record_of(row)
            step = ladder.next_step(parent)
            if parent.status != ladder.awaiting and step is not None and step.needs_children:
                _store(tx, parent, {"due_at": tx.now})
                found += 1
    return found


def heed(tx: Transaction, ladders: Mapping[str, Ladder], children: Iterable[Record]) -> None:
    """Have those above these go on if all is complete below them now, or wait if it is not any more.

    A parent that is in hand, or parked, is left as it is; so is one that has gone on, and one that is not there.
    """
    for parent_id in sorted({child.parent_id for child in children if child.parent_id}):
        row = tx.execute(_one, {"b_id": parent_id}).first()
        if row is None or (parent := record_of(row)).running_since or parent.parked_at:
            continue
        ladder = ladders.get(parent.ladder)
        step = ladder.next_step(parent) if ladder is not None and parent.status != ladder.awaiting else None
        if step is None or not step.needs_children:
            continue
        is_open = has_open_children(tx, parent_id)
        if is_open is (parent.due_at is not None):
            _store(tx, parent, {"due_at": None if is_open else tx.now})
        else:
            tx.announce(ItemChanged(TOPIC, parent_id, parent))


def _store(tx: Transaction, parent: Record, change: dict[str, Any]) -> None:
    change |= {"revision": parent.revision + 1, "updated_at": tx.now}
    changed = record_of(tx.execute(update(RECORDS).where(_R.id == parent.id).values(change).returning(*COLUMNS)).one())
    tx.announce(ItemChanged(TOPIC, parent.id, changed))
