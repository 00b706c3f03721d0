"""What people type to find descriptions: words are beginnings of words, all of which have to be there.

    holiday beach      both, each as the beginning of a word
    "red car"          these words side by side
    -dog               not this one

Whatever else is typed only parts words: nothing of it means anything to the database.
"""

import re
import unicodedata
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, column, false, func, literal_column, not_, select, table, true

from daemons.errors import Invalid
from daemons.workflows.describe.tables import DescriptionTable

SEARCH_CHARACTERS = 1000
WORDS_MOST = 50

_PART = re.compile(r'(?P<minus>(?<!\S)-)?(?:"(?P<quoted>[^"]*)(?:"|$)|(?P<plain>[^\s"]+))')
_ACCENTS = re.compile("[\u0300-\u036f]")
_WORDS = table("descriptions_words", column("rowid"), column("descriptions_words"))
"""The index of SQLite, which migration 0003 makes; PostgreSQL has a column of this name."""
_D = DescriptionTable.__table__.c


@dataclass(frozen=True, slots=True)
class Sought:
    """One thing to find or to leave out: words side by side, the last one only begun unless it was quoted."""

    words: tuple[str, ...]
    is_whole: bool = False
    is_negated: bool = False


def parse(text: str) -> list[Sought]:
    """Read what somebody typed. What holds no letter and no digit is left out. Raises Invalid for too many words."""
    found = []
    for part in _PART.finditer(text[:SEARCH_CHARACTERS]):
        is_whole = part["plain"] is None
        words = tuple(words_of(part["quoted"] if is_whole else part["plain"]))
        if words:
            found.append(Sought(words, is_whole, bool(part["minus"])))
    if sum(len(sought.words) for sought in found) > WORDS_MOST:
        raise Invalid(f"That is more than {WORDS_MOST} words to look for.", code="ERR_BAD_SEARCH")
    return found


def words_of(text: str) -> list[str]:
    """Return the words of `text`: what stands between anything but letters, digits and their marks."""
    words = "".join(character if _kind(character) in "LNM" else " " for character in text).split()
    return [word for word in words if any(_kind(character) != "M" for character in word)]


def search(text: str, *, is_sqlite: bool) -> ColumnElement[bool]:
    """Return the condition that a description holds what is typed; one without any word is met by nothing."""
    sought = parse(text)
    if not sought:
        return false() if text.strip() else true()
    return _in_sqlite(sought) if is_sqlite else _in_postgres(sought)


def _in_sqlite(sought: list[Sought]) -> ColumnElement[bool]:
    wanted = " AND ".join(map(_fts5, (one for one in sought if not one.is_negated)))
    unwanted = " OR ".join(map(_fts5, (one for one in sought if one.is_negated)))
    if not wanted:
        # FTS5 knows no "not" by itself.
        return not_(_matching(unwanted))
    return _matching(f"({wanted}) NOT ({unwanted})" if unwanted else wanted)


def _matching(query: str) -> ColumnElement[bool]:
    rows = select(_WORDS.c.rowid).where(_WORDS.c.descriptions_words.op("MATCH")(query))
    # As a list of numbers, so that whatever else is asked finds its own index.
    return _D.number.in_(rows)


def _fts5(sought: Sought) -> str:
    # The words hold letters and digits alone, so nothing in these quotes can end them.
    return f'"{" ".join(sought.words)}"' + ("" if sought.is_whole else "*")


def _in_postgres(sought: list[Sought]) -> ColumnElement[bool]:
    query = " & ".join(map(_tsquery, sought))
    # The words of a phrase once more by themselves: the planner takes it for rarer then, and asks the index.
    phrases = [one for one in sought if len(one.words) > 1 and not one.is_negated]
    single = " & ".join(f"'{_plain(word)}'" for phrase in phrases for word in phrase.words[:-1])
    return and_(*(_holds(words) for words in (query, single) if words))


def _holds(query: str) -> ColumnElement[bool]:
    condition: ColumnElement[bool] = literal_column("descriptions.words").op("@@")(func.to_tsquery("simple", query))
    return condition


def _tsquery(sought: Sought) -> str:
    words = [f"'{_plain(word)}'" for word in sought.words]
    return "!" * sought.is_negated + f"({' <-> '.join(words)}{':*' * (not sought.is_whole)})"


def _plain(word: str) -> str:
    # As migration 0003 has the column made; SQLite does the like by itself.
    return _ACCENTS.sub("", unicodedata.normalize("NFKD", word))


def _kind(character: str) -> str:
    return unicodedata.category(character)[0]
