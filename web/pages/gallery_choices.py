"""What the gallery offers to choose by, and what is chosen: each a link, so that the address says it all."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from daemons.workflows.describe.keeper import COLOURS, Facet, Facets
from web.templating import query
from web.words import _

OFFERED_MOST = 40
SEVERAL = ("state", "describer", "colour", "code", "finish")
"""Parameters that take more than one value."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A word to press: where it leads (a query), whether it is chosen now, and how many there are of it."""

    label: str
    query: str
    is_on: bool = False
    count: int | None = None
    hex: str | None = None
    is_word: bool = False
    """Ours, and not a name that somebody gave."""


@dataclass(frozen=True, slots=True)
class Menu:
    """Choices of one kind behind a word, and how many more there are than it shows."""

    label: str
    choices: Sequence[Choice]
    left_out: int = 0


Filters = Mapping[str, str]


def states_of(filters: Filters, facets: Facets) -> list[Choice]:
    """Return all, those done and those failed."""
    chosen = filters.get("state", "")
    counts = {facet.value: facet.count for facet in facets.states}
    found = [Choice(_("All"), query(filters, state=None, cursor=None), not chosen, facets.total, is_word=True)]
    for state, label in (("done", _("Done")), ("failed", _("Failed"))):
        to = query(filters, state=state, cursor=None)
        found.append(Choice(label, to, chosen == state, counts.get(state, 0), is_word=True))
    return found


def menus_of(filters: Filters, facets: Facets) -> list[Menu]:
    """Return the menus that have something to choose."""
    menus = [
        _menu(_("Folder"), filters, "folder", facets.folders),
        _menu(_("Describer"), filters, "describer", facets.describers, least=2),
        _menu(_("Model"), filters, "model", [facet for facet in facets.models if facet.value]),
        _menu(_("Colour"), filters, "colour", facets.colours),
        _menu(_("Error"), filters, "code", facets.codes),
        Menu(_("More"), list(_others(filters, facets))),
    ]
    return [menu for menu in menus if menu.choices]


def active_of(filters: Filters, names: Mapping[str, str]) -> list[Choice]:
    """Return what is chosen besides the state, each leading to the list without it; `names` says it for some."""
    return list(_active(filters, names))


def _active(filters: Filters, names: Mapping[str, str]) -> Iterator[Choice]:
    kinds = {
        "q": _("Text"),
        "similar_to": _("Looks like"),
        "folder": _("Folder"),
        "describer": _("Describer"),
        "model": _("Model"),
        "colour": _("Colour"),
        "code": _("Error"),
        "taken_after": _("From"),
        "taken_before": _("Before"),
    }
    for name, kind in kinds.items():
        if value := filters.get(name):
            also = {"distance": None} if name == "similar_to" else {}
            shown = names.get(name, value)
            yield Choice(f"{kind}: {shown}", query(filters, **{name: None, "cursor": None, **also}))
    for name, label in (("edited", _edited(filters)), ("finish", _finish(filters)), ("gone", _gone(filters))):
        if label:
            yield Choice(label, query(filters, **{name: None, "cursor": None}), is_word=True)


def _edited(filters: Filters) -> str:
    return {"": "", "true": _("Written by hand")}.get(filters.get("edited", ""), _("Not written by hand"))


def _finish(filters: Filters) -> str:
    return {"": "", "length": _("Cut off at its length")}.get(filters.get("finish", ""), _("Ended by itself"))


def _gone(filters: Filters) -> str:
    return {"yes": _("Files that are gone"), "all": _("Also files that are gone")}.get(filters.get("gone", ""), "")


def _others(filters: Filters, facets: Facets) -> Iterator[Choice]:
    cut_off = sum(facet.count for facet in facets.finishes if facet.value == "length")
    if cut_off:
        yield _switch(filters, "finish", "length", _("Cut off at its length"), cut_off)
    yield _switch(filters, "edited", "true", _("Written by hand"))
    yield _switch(filters, "gone", "yes", _("Files that are gone"))


def _switch(filters: Filters, name: str, value: str, label: str, count: int | None = None) -> Choice:
    is_on = filters.get(name) == value
    changes = {name: None if is_on else value, "cursor": None}
    return Choice(label, query(filters, **changes), is_on, count, is_word=True)


def _menu(label: str, filters: Filters, name: str, facets: Iterable[Facet], least: int = 1) -> Menu:
    found = list(facets)
    chosen = [word for word in filters.get(name, "").split(",") if word] if name in SEVERAL else [filters.get(name)]
    if len(found) < least and not any(chosen):
        return Menu(label, [])
    choices = [_choice(filters, name, facet, chosen) for facet in found[:OFFERED_MOST]]
    return Menu(label, choices, max(0, len(found) - OFFERED_MOST))


def _choice(filters: Filters, name: str, facet: Facet, chosen: Sequence[str | None]) -> Choice:
    is_on = facet.value in chosen
    wanted: str | None = None if is_on else facet.value
    if name in SEVERAL:
        words = [word for word in chosen if word and word != facet.value]
        wanted = ",".join([*words, *([] if is_on else [facet.value])])
    hex_code = COLOURS.get(facet.value) if name == "colour" else None
    to = query(filters, **{name: wanted, "cursor": None})
    return Choice(facet.value, to, is_on, facet.count, hex_code and f"#{hex_code}")
