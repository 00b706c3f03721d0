"""Clear time: local with zone name, relative next to it, UTC on hover; clock and zone beside every next run.

"DST days in `schedule next`; viewer in another zone."
"""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import open_live, opened
from tests.browser.deck import Deck

BERLIN, TOKYO = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Tokyo")
VIEWER = {"timezone_id": "Asia/Tokyo", "locale": "en-GB"}


def next_day_of(hours: int) -> date:
    """Return the next day that has so many hours in Berlin."""
    today = datetime.now(BERLIN).date()
    days = (today + timedelta(days=ahead) for ahead in range(1, 400))
    midnight = time(tzinfo=BERLIN)
    ends = ((day, datetime.combine(day, midnight), datetime.combine(day + timedelta(days=1), midnight)) for day in days)
    return next(
        day for day, begin, end in ends if end.astimezone(UTC) - begin.astimezone(UTC) == timedelta(hours=hours)
    )


@pytest.fixture
def far_away(browser: Browser, deck: Deck) -> Iterator[Page]:
    """Return the page of somebody in another zone."""
    with opened(browser, **VIEWER) as context:
        context.add_cookies([deck.session()])
        yield context.new_page()


@pytest.mark.parametrize(
    ("hours", "expression", "wall", "utc"),
    [
        pytest.param(23, "30 2", "03:00 CEST", "01:00", id="a time that does not exist: right after the jump"),
        pytest.param(25, "30 2", "02:30 CEST", "00:30", id="a time that comes twice that day"),
        pytest.param(23, "30 3", "03:30 CEST", "01:30", id="later that day"),
    ],
)
def test_a_next_run_is_clear_on_days_the_clock_changes_to_a_viewer_in_another_zone(
    far_away: Page, deck: Deck, hours: int, expression: str, wall: str, utc: str
) -> None:
    day, name = next_day_of(hours), f"on-{hours}-{expression.replace(' ', '-')}"
    body = {"expression": f"{expression} {day.day} {day.month} *", "zone": "Europe/Berlin", "job_type": "shelve"}
    made = deck.call("POST", "/api/schedules", {"name": name, "kind": "cron", "action": "create_job", **body})
    due = datetime.fromisoformat(made["next_at"])
    assert due.astimezone(UTC) == datetime.combine(day, time.fromisoformat(utc), UTC)

    open_live(far_away, deck, "/schedules")
    row = far_away.locator(".schedule", has=far_away.get_by_role("link", name=name, exact=True))
    shown = row.locator("time[data-as=clock]").first

    expect(row).to_contain_text(f"{day} {wall} (Europe/Berlin)")
    expect(shown).to_contain_text(due.astimezone(TOKYO).strftime("%H:%M"))
    expect(row.locator("time[data-as=countdown]")).to_contain_text(re.compile(r"in \d+"))
    shown.hover()
    expect(shown).to_have_attribute("title", re.compile(f"Japan|GMT\\+9.*{re.escape(utc)}:00"))
    expect(shown).to_have_attribute("title", re.compile(re.escape(f"{day}T{utc}:00")))


def test_the_viewers_clock_names_its_zone_and_the_decks_clock_its_own(far_away: Page, deck: Deck) -> None:
    open_live(far_away, deck, "/schedules")
    now = datetime.now(TOKYO)

    clock = far_away.locator("#clock")
    expect(clock).to_contain_text(re.compile(r"(GMT\+9|JST)"))
    expect(clock).to_contain_text(re.compile("|".join(f"{now + timedelta(minutes=late):%H:%M}" for late in range(2))))
    expect(far_away.get_by_text("The deck’s clock:")).to_contain_text("UTC")


def test_what_a_daemon_said_is_told_in_the_viewers_zone_and_in_utc_on_hover(far_away: Page, deck: Deck) -> None:
    open_live(far_away, deck, "/daemons/puppet")
    deck.command("puppet", "start")
    started = far_away.locator(".facts time[data-as=clock]").first
    expect(started).to_be_visible()
    moment = datetime.fromisoformat(str(started.get_attribute("datetime")))

    expect(started).to_contain_text(f"{moment.astimezone(TOKYO):%H:%M:%S}")
    started.hover()
    expect(started).to_have_attribute("title", re.compile(re.escape(f"{moment:%H:%M}")))
