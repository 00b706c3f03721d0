"""The templates' environment: everything a page may ask for, about links, times, words and states."""

import re
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from datetime import UTC, datetime
from typing import Any, Self, cast
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jinja2.ext import Extension
from starlette.responses import HTMLResponse

from daemons.clock import Clock
from web import marks, wording, words
from web.answers import choices_of
from web.assets import TEMPLATES, Assets
from web.look import THEMES, Look
from web.masks import masked
from web.record_states import AwaitingOf, nobody_awaits, state_of
from web.sections import Section
from web.trees import tree_of

SQUEEZED = ("partials/daemon_row.html",)
_BETWEEN_TAGS = re.compile(r"(>|%\})\s*\n\s*(?=<|\{%)")


class Templates:
    """Renders the pages and partials of one deck.

    Everything is escaped and a missing variable is an error. Built once; partials come from the same cache
    for the first load and for live updates.
    """

    def __init__(self, assets: Assets, clock: Clock, *, base_path: str = "", version: str = "") -> None:
        self._base_path = base_path.rstrip("/")
        self._look = Look()
        self._environment = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            extensions=["jinja2.ext.i18n", Squeezed],
        )
        install_words(self._environment)
        self._environment.filters.update(
            iso=iso,
            word=marks.word_of,
            utc=utc,
            in_zone=wording.in_zone,
            number=wording.number,
            breakable=wording.breakable,
            duration=wording.duration,
            pace=wording.pace,
            sparkline=wording.sparkline,
            short=wording.short,
            size=wording.size,
            plain=wording.plain,
            brief=wording.brief,
            masked=masked,
            pretty_json=wording.pretty_json,
            tree_of=tree_of,
            linked=lambda text: wording.linked(text, self.url),
        )
        self._environment.globals.update(
            url=self.url,
            asset=lambda path: self.url(f"/static/{assets.name(path)}"),
            query=query,
            now=clock.now,
            version=version,
            language=words.language,
            themes=THEMES,
            state_marks=marks.DAEMON_MARKS.items(),
            daemon_mark=marks.daemon_mark,
            daemon_accepts=marks.daemon_accepts,
            kind_of=marks.kind_of,
            reason_of=marks.reason_of,
            silence_of=marks.silence_of,
            job_mark=marks.job_mark,
            record_mark=marks.RECORD_MARKS.__getitem__,
            happening_mark=marks.happening_mark,
            job_accepts=marks.job_accepts,
            tries=marks.tries,
            deaths=marks.deaths,
            choices_of=choices_of,
        )
        self.frame_with((), dict)
        self.read_records_with(nobody_awaits)

    def frame_with(self, sections: Iterable[Section], signals: Callable[[], Mapping[str, int]]) -> None:
        """Show these sections around every page, and these numbers; see web/signals.py."""
        self._environment.globals.update(sections=tuple(sections), signals=signals)

    def read_records_with(self, awaiting_of: AwaitingOf) -> None:
        """Tell by `awaiting_of` which records wait for a person."""
        self._environment.globals.update(record_state=lambda record: state_of(record, awaiting_of))

    def looking(self, look: Look) -> Self:
        """Return the same templates for somebody who wants pages to look like that."""
        theirs = copy(self)
        theirs._look = look
        return theirs

    def url(self, path: str) -> str:
        """Return `path` ("/jobs") as a link that also works below a base path."""
        return self._base_path + path

    def render(self, template: str, /, **context: object) -> str:
        """Return the HTML of `template`, such as "partials/daemon_row.html"."""
        return self._environment.get_template(template).render(context, look=self._look)

    def page(self, template: str, /, status_code: int = 200, **context: object) -> HTMLResponse:
        """Return `template` as an answer; every page needs `viewer`, see templates/base.html."""
        if status_code >= 400:
            # What was refused stands there with all that was typed; reading the address again would lose it.
            context.setdefault("is_still", True)
        return HTMLResponse(self.render(template, **context), status_code, headers={"Cache-Control": "no-store"})


class Squeezed(Extension):
    """Takes the line breaks between tags out of rows of which there may be hundreds.

    They are half of what a browser would have to parse and compare whenever one changes.
    """

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        """Return the source as Jinja is to read it."""
        return _BETWEEN_TAGS.sub(r"\1", source) if name in SQUEEZED else source


def install_words(environment: Environment) -> None:
    """Have `_()` and `{% trans %}` in templates speak the deck's language, see web/words.py."""
    cast(Any, environment).install_gettext_callables(words._, words.ngettext, newstyle=True)


def iso(moment: datetime | str) -> str:
    """Write a time, or one already written for the API, for machines: ISO 8601 in UTC."""
    return _read(moment).astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def utc(moment: datetime | str) -> str:
    """Write a time for people whose browser does not run scripts."""
    return _read(moment).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def query(filters: Mapping[str, str], **changes: str | None) -> str:
    """Return the query string of `filters` with `changes`; an empty value drops its name."""
    wanted = {name: value for name, value in {**filters, **changes}.items() if value}
    return "?" + urlencode(wanted) if wanted else "?"


def _read(moment: datetime | str) -> datetime:
    return datetime.fromisoformat(moment) if isinstance(moment, str) else moment
