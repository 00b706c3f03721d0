"""What would fill the empty fields of a record's form: offered to a person, never written by itself.

It comes from files, from pages of the web and from other systems: it is cleaned and cut as whatever is shown, and what
the form would not take is not offered.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ValidationError

from daemons.text import clean
from daemons.workflows.polling.evaluation import has_boilerplate, is_machine_made
from daemons.workflows.polling.file_names import date_in_name, folder_of, readable
from daemons.workflows.polling.records import Record
from daemons.workflows.polling.wordings import beginning, date_in, headline, keywords_in, name_in, urls_in

EMPTY: tuple[object, ...] = (None, "", [])
TEXTS_MOST, WORDS_MOST = 3, 6
"""Of one field, from the record itself, and as many again from its neighbours: texts, and words for a list."""
LINE_CHARACTERS = 255
CAPTION_CHARACTERS = 2_000
BEGINNING_CHARACTERS = 500
READ_CHARACTERS = 8_000
OWN_FIELDS = frozenset({"title", "caption", "description", "notes", "url"})
"""What tells of one record, and never of its neighbours."""


class Origin(StrEnum):
    """Where a suggestion comes from, as people are told."""

    TITLE = "from the title"
    HEADLINE = "from the headline"
    CAPTION = "from the caption"
    DESCRIPTION = "from the description"
    NOTES = "from the notes"
    CREDIT = "from the credit line"
    COPYRIGHT = "from the copyright notice"
    RIGHTS = "from the terms of use"
    PAGE_TITLE = "from the title of its web page"
    PAGE = "from its web page"
    SPEECH = "from what is said in it"
    FILE_NAME = "from the file's name"
    FOLDER_NAME = "from the folder's name"
    OTHERS = "from others in the same folder"


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A value for an empty field of a form; of a list one word."""

    field: str
    value: Any
    origin: Origin
    others: int = 0  #: how many other records have it

    @property
    def sentence(self) -> str:
        if self.origin is not Origin.OTHERS:
            return self.origin.value
        return f"from {self.others} other{'s' if self.others > 1 else ''} in the same folder"

    def as_dict(self) -> dict[str, Any]:
        return {"field": self.field, "value": self.value, "origin": self.sentence}


Found = Iterator[tuple[Any, Origin]]


def empty_fields(record: Record, form: type[BaseModel]) -> list[str]:
    """Return the fields of `form` that nothing is written in."""
    return [name for name in form.model_fields if record.fields.get(name) in EMPTY]


def suggestions_of(
    record: Record, form: type[BaseModel], neighbours: Sequence[Mapping[str, Any]] = ()
) -> list[Suggestion]:
    """Return what would fill the empty fields, in their order; `neighbours`: fields of other records, nearest first."""
    return [one for name in empty_fields(record, form) for one in _of_field(record, form, name, neighbours)]


def _of_field(
    record: Record, form: type[BaseModel], name: str, neighbours: Sequence[Mapping[str, Any]]
) -> Iterator[Suggestion]:
    own = (Suggestion(name, value, origin) for value, origin in OWN[name](record)) if name in OWN else iter(())
    seen: set[str] = set()
    for some in (own, _of_neighbours(name, neighbours)):
        left = {list: WORDS_MOST, str: TEXTS_MOST}
        for one in some:
            value = _as_taken(form, name, one.value)
            key, kind = str(value).casefold(), list if isinstance(value, list) else str
            if value in EMPTY or key in seen or not left[kind]:
                continue
            seen.add(key)
            left[kind] -= 1
            yield Suggestion(name, value, one.origin, one.others)


def _as_taken(form: type[BaseModel], name: str, value: Any) -> Any:
    """Return `value` as the form takes it, None where it would not."""
    try:
        return form.model_validate({name: value}).model_dump(mode="json")[name]
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False, include_context=False)
        # That other fields are missing is not the fault of this one.
        return None if any(problem["loc"][:1] == (name,) for problem in problems) else value


# What the record itself says.


def _said(record: Record, name: str, most: int = LINE_CHARACTERS, *, keep_newlines: bool = False) -> str:
    value = record.fields.get(name)
    text = value[:READ_CHARACTERS].strip() if isinstance(value, str) else ""
    if name == "title" and is_machine_made(text):
        return ""
    return clean(text if keep_newlines else " ".join(text.split()), most, keep_newlines=keep_newlines)


def _every(record: Record, *chosen: tuple[str, Origin], most: int = READ_CHARACTERS) -> Iterator[tuple[str, Origin]]:
    return ((text, origin) for name, origin in chosen if (text := _said(record, name, most, keep_newlines=True)))


def _useful(found: Found) -> Found:
    return ((text, origin) for text, origin in found if text and not has_boilerplate(text))


def _titles(record: Record) -> Found:
    yield from _useful(
        iter(
            (
                (_said(record, "headline"), Origin.HEADLINE),
                (_said(record, "url_title"), Origin.PAGE_TITLE),
                (headline(_said(record, "caption", READ_CHARACTERS, keep_newlines=True)), Origin.CAPTION),
                (readable(_file_name(record)), Origin.FILE_NAME),
                (headline(_said(record, "description", READ_CHARACTERS, keep_newlines=True)), Origin.DESCRIPTION),
            )
        )
    )


def _captions(record: Record) -> Found:
    page, speech = (_said(record, name, READ_CHARACTERS, keep_newlines=True) for name in ("url_text", "transcript"))
    yield from _useful(
        iter(
            (
                (_said(record, "description", CAPTION_CHARACTERS, keep_newlines=True), Origin.DESCRIPTION),
                (beginning(page, BEGINNING_CHARACTERS), Origin.PAGE),
                (beginning(speech, BEGINNING_CHARACTERS), Origin.SPEECH),
                (_said(record, "headline"), Origin.HEADLINE),
                (_said(record, "title"), Origin.TITLE),
            )
        )
    )


def _descriptions(record: Record) -> Found:
    yield from _useful(iter([(_said(record, "caption", CAPTION_CHARACTERS, keep_newlines=True), Origin.CAPTION)]))


_TOLD = (
    ("title", Origin.TITLE),
    ("headline", Origin.HEADLINE),
    ("caption", Origin.CAPTION),
    ("notes", Origin.NOTES),
    ("description", Origin.DESCRIPTION),
    ("url_title", Origin.PAGE_TITLE),
)


def _keywords(record: Record) -> Found:
    texts = [*_every(record, *_TOLD), (readable(_file_name(record)), Origin.FILE_NAME)]
    texts += [(_folder_name(record), Origin.FOLDER_NAME), *_every(record, ("url_text", Origin.PAGE))]
    yield from (([word], origin) for text, origin in texts for word in keywords_in(text))


def _creators(record: Record) -> Found:
    yield from _useful(iter([(_said(record, "credit"), Origin.CREDIT)]))
    yield name_in(_said(record, "copyright")), Origin.COPYRIGHT


def _dates(record: Record) -> Found:
    name, folder = _file_name(record), _folder_name(record)
    yield date_in_name(name) or date_in(readable(name)), Origin.FILE_NAME
    # What a model says of an image it has not from anywhere.
    told = [pair for pair in _TOLD if pair[0] != "description" or _is_a_persons(record, "description")]
    yield from ((date_in(text), origin) for text, origin in _every(record, *told))
    yield date_in_name(folder) or date_in(folder), Origin.FOLDER_NAME


def _urls(record: Record) -> Found:
    more = (("credit", Origin.CREDIT), ("copyright", Origin.COPYRIGHT), ("rights", Origin.RIGHTS))
    yield from ((url, origin) for text, origin in _every(record, *_TOLD, *more) for url in urls_in(text))


def _notes(record: Record) -> Found:
    more = (("credit", Origin.CREDIT), ("rights", Origin.RIGHTS), ("copyright", Origin.COPYRIGHT))
    yield from _useful(_every(record, *more, most=CAPTION_CHARACTERS))


OWN: Mapping[str, Callable[[Record], Found]] = {
    "title": _titles,
    "caption": _captions,
    "keywords": _keywords,
    "url": _urls,
    "creator": _creators,
    "taken_at": _dates,
    "notes": _notes,
    "description": _descriptions,
}
"""What a record itself may say of a field, the best first."""


def _file_name(record: Record) -> str:
    # A part of something else, such as a frame of a clip, has no name of its own.
    if record.parent_id is not None or folder_of(record.source) is None:
        return ""
    return clean(record.source.rpartition("/")[2], LINE_CHARACTERS)


def _folder_name(record: Record) -> str:
    return clean((folder_of(record.source) or "").rpartition("/")[2], LINE_CHARACTERS)


def _is_a_persons(record: Record, name: str) -> bool:
    return bool(record.provenance.get(name, {}).get("by") != "describe")


# What is most often said of its neighbours.


def _of_neighbours(name: str, neighbours: Sequence[Mapping[str, Any]]) -> Iterator[Suggestion]:
    if name in OWN_FIELDS:
        return
    counted: Counter[Any] = Counter()
    is_list = False
    for fields in neighbours:
        value = fields.get(name)
        is_list = is_list or isinstance(value, list)
        values = value if isinstance(value, list) else [value]
        counted.update([*dict.fromkeys(shared for one in values if (shared := _shared(name, one)) not in EMPTY)])
    for value, others in counted.most_common():
        yield Suggestion(name, [value] if is_list else value, Origin.OTHERS, others)


def _shared(name: str, value: object) -> object:
    if isinstance(value, str):
        text = clean(" ".join(value[:READ_CHARACTERS].split()), LINE_CHARACTERS)
        # Pictures of one day are not of one second.
        return text[:10] if name == "taken_at" and date_in_name(text[:10]) else text
    return value if isinstance(value, int | float) else None
