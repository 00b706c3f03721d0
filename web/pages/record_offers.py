"""What a record's form offers for its empty fields, and how one of these is put there."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from daemons.workflows.polling.keeper import Origin, Suggestion
from web.schema_forms import Field, shown_text
from web.words import N_, _, ngettext

ORIGINS: Mapping[Origin, str] = {
    Origin.TITLE: N_("from the title"),
    Origin.HEADLINE: N_("from the headline"),
    Origin.CAPTION: N_("from the caption"),
    Origin.DESCRIPTION: N_("from the description"),
    Origin.NOTES: N_("from the notes"),
    Origin.CREDIT: N_("from the credit line"),
    Origin.COPYRIGHT: N_("from the copyright notice"),
    Origin.RIGHTS: N_("from the terms of use"),
    Origin.PAGE_TITLE: N_("from the title of its web page"),
    Origin.PAGE: N_("from its web page"),
    Origin.SPEECH: N_("from what is said in it"),
    Origin.FILE_NAME: N_("from the file's name"),
    Origin.FOLDER_NAME: N_("from the folder's name"),
}
"""The messages of origins that need no number."""


class Offer(NamedTuple):
    """A button beside a field: the text that it puts there, and where that comes from."""

    text: str
    origin: str


def offers_of(suggestions: Sequence[Suggestion]) -> dict[str, list[Offer]]:
    """Return the offers for each field."""
    offers: defaultdict[str, list[Offer]] = defaultdict(list)
    for one in suggestions:
        offers[one.field].append(Offer(shown_text(one.value), _origin(one)))
    return dict(offers)


def choosing(input_name: str) -> str:
    """Return the name of the buttons that fill the input of that name."""
    return f"use.{input_name}"


def fill(field: Field, chosen: str) -> tuple[Field, Offer | None]:
    """Return the field with an offer in it, as one more line of a list; and as an offer what stood there instead."""
    if field.kind == "list":
        lines = [line for line in field.text.splitlines() if line.strip()]
        return replace(field, text="\n".join(dict.fromkeys([*lines, *chosen.splitlines()]))), None
    was_written = field.text.strip() and field.text != chosen
    return replace(field, text=chosen), Offer(field.text, _("what you had written")) if was_written else None


def _origin(suggestion: Suggestion) -> str:
    if suggestion.origin in ORIGINS:
        return _(ORIGINS[suggestion.origin])
    others = suggestion.others
    return ngettext("from %(n)s other in the same folder", "from %(n)s others in the same folder", others) % {
        "n": others
    }
