import re
from datetime import datetime, timedelta, timezone

import pytest
from jinja2 import UndefinedError

from daemons.clock import SystemClock
from tests.web.drawn import NOON, NUMBERS, a_daemon
from web.assets import TEMPLATES, Assets
from web.templating import Templates, iso, query, utc


@pytest.fixture(scope="module")
def templates() -> Templates:
    return Templates(Assets(), SystemClock(), base_path="/deck/", version="1.2.3")


def test_links_and_assets_stand_below_the_base_path(templates: Templates) -> None:
    html = templates.render(
        "pages/daemons.html", viewer={"name": "a", "role": "viewer"}, daemons=[a_daemon()], broken=[], **NUMBERS
    )

    assert 'action="/deck/jobs"' in html
    assert 'hx-ws:connect="/deck/live"' in html
    assert 'src="/deck/static/page.' in html
    assert 'formaction="/deck/daemons/night_watch/stop"' in html


def test_text_from_outside_is_escaped_wherever_it_stands(templates: Templates) -> None:
    evil = "\"'><script>alert(1)</script>"
    html = templates.render("partials/daemon_row.html", daemon=a_daemon(title=evil, current_status=evil, name=evil))

    assert "<script" not in html
    assert "\"'>" not in html


def test_a_forgotten_variable_is_an_error(templates: Templates) -> None:
    with pytest.raises(UndefinedError, match="daemons"):
        templates.render("pages/daemons.html", viewer={"name": "a", "role": "viewer"}, broken=[], **NUMBERS)


def test_a_page_is_not_kept_by_browsers(templates: Templates) -> None:
    error = {"code": "ERR_NOT_FOUND", "message": "There is nothing of that name.", "remedy": None}
    answer = templates.page("pages/error.html", 404, viewer=None, status=404, error=error)

    assert answer.status_code == 404
    assert answer.headers["cache-control"] == "no-store"


def test_nobody_unknown_gets_scripts_or_the_socket(templates: Templates) -> None:
    html = templates.render("pages/signin.html", viewer=None, code="abc", problem=None, ended_at=None, next="")

    assert "<script" not in html
    assert "hx-ws" not in html


def test_times_are_written_in_utc_whatever_their_zone() -> None:
    elsewhere = datetime(2026, 5, 1, 14, tzinfo=timezone(timedelta(hours=2)))

    assert iso(elsewhere) == iso("2026-05-01T12:00:00+00:00") == "2026-05-01T12:00:00.000Z"
    assert utc(NOON) == "2026-05-01 12:00:00 UTC"


def test_a_filter_link_keeps_the_other_filters_and_drops_empty_ones() -> None:
    assert query({"state": "failed", "q": "a&b"}, state="", cursor=None) == "?q=a%26b"
    assert query({}) == "?"


def test_only_words_of_ours_are_translated() -> None:
    # What `_()` returns is taken for markup: a name that somebody gave would come out unescaped.
    ours = {
        "label",  # of bars, tabs and tiles, written beside the template
        "tabs[tab]",
        "one.label",  # of sections and of the lines of a plot
        "range.label",
        "plot.title",  # only where it is not a daemon's own
        "shown.get('done')",  # looked up among sentences of ours
    }

    found = {
        expression.strip()
        for file in TEMPLATES.rglob("*.html")
        for expression in re.findall(r"""\b_\(([^"'\s)](?:[^()]|\([^()]*\))*)\)""", file.read_text("utf-8"))
    }

    assert found - ours == set()
