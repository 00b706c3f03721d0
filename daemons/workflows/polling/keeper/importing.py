"""Records that a file brings: what is new is added, what is known stays as it is, and what is refused stops nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import bindparam, select

from daemons.database import Database
from daemons.database.transaction import Transaction
from daemons.workflows.polling.keeper.adding import add_each, go_on_after, hold, number_of
from daemons.workflows.polling.keeper.brought import Brought
from daemons.workflows.polling.keeper.row_files import Refused
from daemons.workflows.polling.keeper.rows import RECORDS, digest_of
from daemons.workflows.polling.ladder import Ladder
from daemons.workflows.polling.records import NewRecord

ADDED_AT_ONCE = 200
"""Records in one unit: others that write wait no longer than for these."""
REFUSED_TOLD = 100

_R = RECORDS.c
_known = select(_R.digest).where(_R.digest.in_(bindparam("b_digests", expanding=True)))
# By ladder as well: that is how codes are found quickly.
_taken = select(_R.code).where(
    _R.ladder.in_(bindparam("b_ladders", expanding=True)), _R.code.in_(bindparam("b_codes", expanding=True))
)


@dataclass(slots=True)
class Imported:
    """What became of all rows."""

    added: int = 0
    known: int = 0
    refused: list[Refused] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return the answer of the HTTP API: of what was refused the first, by their lines."""
        told = sorted(self.refused)[:REFUSED_TOLD]
        return {
            "added": self.added,
            "known": self.known,
            "refused": [one._asdict() for one in told],
            "refused_total": len(self.refused),
        }


class Taken(NamedTuple):
    """What became of the rows of one unit; of those that were added, what makes another row known or refused."""

    known: int
    refused: Sequence[Refused]
    digests: Sequence[str]
    codes: Sequence[str]


async def bring_in(
    database: Database, ladders: Mapping[str, Ladder], brought: Sequence[Brought], *, by: str, dry_run: bool
) -> Imported:
    """Take in all of it, some hundreds in one unit, and return what became of it."""
    result = Imported()
    numbers = _highest_numbers(ladders, brought)
    digests, codes = set[str](), set[str]()
    for at in range(0, len(brought), ADDED_AT_ONCE):
        part = brought[at : at + ADDED_AT_ONCE]
        earlier = (frozenset(digests), frozenset(codes))
        unit = partial(_take_in, ladders=ladders, part=part, numbers=numbers, by=by, earlier=earlier, dry_run=dry_run)
        taken = await database.write(unit)
        digests.update(taken.digests)
        codes.update(taken.codes)
        result.added += len(taken.digests)
        result.known += taken.known
        result.refused += taken.refused
    return result


def _highest_numbers(ladders: Mapping[str, Ladder], brought: Sequence[Brought]) -> dict[str, int]:
    """Return the highest number of a code by ladder: the file's own codes are not given to others of its rows."""
    codes = [one.new.code for one in brought if one.new.code]
    found = {name: max((number_of(ladder, code) for code in codes), default=0) for name, ladder in ladders.items()}
    return {name: number for name, number in sorted(found.items()) if number}


def _take_in(
    tx: Transaction,
    ladders: Mapping[str, Ladder],
    part: Sequence[Brought],
    numbers: Mapping[str, int],
    by: str,
    earlier: tuple[frozenset[str], frozenset[str]],
    *,
    dry_run: bool,
) -> Taken:
    """Add what is new, and return what became of each; `earlier` are digests and codes of the file's rows before."""
    if not dry_run:
        hold(tx, {one.new.ladder for one in part})
    mine = [digest_of(one.new.ladder, one.new.source) for one in part]
    known = earlier[0] | {row[0] for row in tx.execute(_known, {"b_digests": mine})}
    asked = [one.new.code for one in part if one.new.code]
    taken = earlier[1] | _taken_codes(tx, ladders, asked)
    fresh: dict[str, NewRecord] = {}
    refused = []
    for one, digest in zip(part, mine, strict=True):
        code = one.new.code
        if digest in known or digest in fresh:
            continue
        if code and code in taken:
            refused.append(Refused(one.line, "ERR_CODE_TAKEN", f"Another record has the code {code}."))
            continue
        fresh[digest] = one.new
        taken |= {code} if code else set()
    if fresh and not dry_run:
        for ladder, number in numbers.items():
            go_on_after(tx, ladder, number)
        made = add_each(tx, ladders, [*fresh.values()], by=by)
        # What somebody else has added since it was looked for is known.
        fresh = {digest: new for (digest, new), (_, is_new) in zip(fresh.items(), made, strict=True) if is_new}
    given = [new.code for new in fresh.values() if new.code]
    return Taken(len(part) - len(fresh) - len(refused), refused, [*fresh], given)


def _taken_codes(tx: Transaction, ladders: Mapping[str, Ladder], codes: Sequence[str]) -> set[str]:
    if not codes:
        return set()
    return {row[0] for row in tx.execute(_taken, {"b_ladders": [*ladders], "b_codes": codes})}
