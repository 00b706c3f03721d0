"""How people change descriptions by hand. What they wrote stays until they ask for it to be described again."""

from typing import Any

from sqlalchemy import Row, select, update

from daemons.database.transaction import Transaction
from daemons.errors import Conflict, Invalid, NotFound
from daemons.events import ItemChanged
from daemons.text import clean
from daemons.workflows.describe.keeper.descriptions import TOPIC, Description, unknown_description
from daemons.workflows.describe.keeper.recording import keep_version
from daemons.workflows.describe.tables import DescriptionTable, DescriptionVersionTable

DESCRIPTION_CHARACTERS = 10_000

_D = DescriptionTable.__table__.c
_V = DescriptionVersionTable.__table__.c


class StaleDescription(Conflict):
    """The description was changed by somebody or something else meanwhile."""

    code = "ERR_STALE_EDIT"
    remedy = "Read the description again and repeat the change on what you see."

    def __init__(self, expected: int, actual: int) -> None:
        super().__init__(f"The change was made on revision {expected}, but the description is at revision {actual}.")
        self.expected = expected
        self.actual = actual


def edit(tx: Transaction, description_id: str, text: str, revision: int | None, who: str) -> Description:
    """Put a person's words in the place of what was said, which becomes a version, and tell it.

    Raises UnknownDescription, StaleDescription, Invalid where there are no words.
    """
    words = clean(text.strip(), DESCRIPTION_CHARACTERS, keep_newlines=True)
    if not words:
        raise Invalid("A description has to say something.", code="ERR_NO_WORDS")
    row = _locked(tx, description_id)
    if revision not in (None, row.revision):
        raise StaleDescription(revision or 0, row.revision)
    if row.description == words:
        return Description.of(row)
    return _replace(tx, row, words, who)


def restore(tx: Transaction, description_id: str, version: int, revision: int | None, who: str) -> Description:
    """Say again what the description said at revision `version`, as its words by hand.

    Raises UnknownDescription, NotFound, Conflict for a version without words, StaleDescription.
    """
    wanted = select(_V.description).where(_V.description_id == description_id, _V.revision == version)
    found = tx.execute(wanted.order_by(_V.id.desc())).first()
    if found is None:
        _locked(tx, description_id)
        raise NotFound(f"The description has no earlier revision {version}.", code="ERR_UNKNOWN_VERSION")
    if found.description is None:
        raise Conflict(f"Nothing was said at revision {version}: it had failed.", code="ERR_NO_WORDS")
    return edit(tx, description_id, found.description, revision, who)


def _locked(tx: Transaction, description_id: str) -> Row[Any]:
    row = tx.execute(select(*_D).where(_D.id == description_id).with_for_update()).first()
    if row is None:
        raise unknown_description(description_id)
    return row


def _replace(tx: Transaction, row: Row[Any], words: str, who: str) -> Description:
    keep_version(tx, _D.id == row.id)
    values: dict[str, Any] = {"description": words, "origin": "hand", "edited_at": tx.now, "edited_by": who[:100]}
    values |= {"state": "done", "error": None, "revision": row.revision + 1}
    # Of the words before, which no model says any more.
    values |= dict.fromkeys(("copied_from", "prompt_hash", "finish", "prompt_tokens", "output_tokens"))
    changed = update(DescriptionTable).where(_D.id == row.id).values(**values).returning(*_D)
    shown = Description.of(tx.execute(changed).one())
    tx.announce(ItemChanged(TOPIC, shown.id, shown.as_dict()))
    return shown
