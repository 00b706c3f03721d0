"""The templates' environment: everything a page may say about links, times, numbers and states."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from daemons.clock import Clock
from daemons.values import JsonValue
from web.assets import TEMPLATES, Assets
from web.marks import daemon_accepts, daemon_mark, job_accepts, job_mark

_JSON_CHARACTERS = 20_000
_JSON_CUT = "\n… cut here: the whole value is in the API"


class Templates:
    """Renders the pages and partials of one deck.

    Everything is escaped and a missing variable is an error. Built once; partials come from the same cache
    for the first load and for live updates.
    """

    def __init__(self, assets: Assets, clock: Clock, *, base_path: str = "", version: str = "") -> None:
        self._base_path = base_path.rstrip("/")
        self._environment = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.filters.update(iso=iso, utc=utc, pretty_json=pretty_json, number=number)
        self._environment.globals.update(
            url=self.url,
            asset=lambda path: self.url(f"/static/{assets.name(path)}"),
            query=query,
            now=clock.now,
            version=version,
            daemon_mark=daemon_mark,
            daemon_accepts=daemon_accepts,
            job_mark=job_mark,
            job_accepts=job_accepts,
        )

    def url(self, path: str) -> str:
        """Return `path` ("/jobs") as a link that also works below a base path."""
        return self._base_path + path

    def render(self, template: str, /, **context: object) -> str:
        """Return the HTML of `template`, such as "partials/daemon_row.html"."""
        return self._environment.get_template(template).render(context)

    def page(self, template: str, /, status_code: int = 200, **context: object) -> HTMLResponse:
        """Return `template` as an answer; every page needs `viewer`, see templates/base.html."""
        return HTMLResponse(self.render(template, **context), status_code, headers={"Cache-Control": "no-store"})


def iso(moment: datetime | str) -> str:
    """Write a time, or one already written for the API, for machines: ISO 8601 in UTC."""
    return _read(moment).astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def utc(moment: datetime | str) -> str:
    """Write a time for people whose browser does not run scripts."""
    return _read(moment).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def number(value: float) -> str:
    """Write a number with narrow spaces between thousands: 31 841."""
    text = f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"
    return text.replace(",", "\u202f")


def pretty_json(value: JsonValue) -> str:
    """Write a JSON value on indented lines, cut where a page stops being readable."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    return text if len(text) <= _JSON_CHARACTERS else text[:_JSON_CHARACTERS] + _JSON_CUT


def query(filters: Mapping[str, str], **changes: str | None) -> str:
    """Return the query string of `filters` with `changes`; an empty value drops its name."""
    wanted = {name: value for name, value in {**filters, **changes}.items() if value}
    return "?" + urlencode(wanted) if wanted else "?"


def _read(moment: datetime | str) -> datetime:
    return datetime.fromisoformat(moment) if isinstance(moment, str) else moment
