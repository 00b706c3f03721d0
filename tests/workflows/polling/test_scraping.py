"""Reading the page of a record's URL: what it then knows, why it goes on without, and what is tried again."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from daemons.clients.web_errors import PageAway
from daemons.clients.web_pages import TEXTS_AT_ONCE, WebPages
from daemons.json_values import check_json
from daemons.settings.web_pages import WebPagesSettings
from daemons.subprocess_work import Worker
from daemons.subprocess_work.errors import WorkerExited
from daemons.subprocess_work.spec import WorkerSpec
from daemons.workflows.polling.ladder import Outcome
from daemons.workflows.polling.steps import scraping
from daemons.workflows.polling.steps.scraping import scrape, url_of
from tests.fake_clock import FakeClock
from tests.fakes.web_sites import Internet, Step, closes, redirects, sends
from tests.workflows.polling.step_context import Context, context, record
from tests.workflows.polling.test_page_text import ARTICLE

EMPTY = {"url_title": None, "url_text": None, "url_final": None, "url_scraped_at": None}


@asynccontextmanager
async def scraper(**pages: Step) -> AsyncIterator[tuple[Context, Internet]]:
    """Open an internet of one site with these pages, and a context to scrape it in."""
    internet, clock = Internet(), FakeClock()
    internet.pages = {f"site.test/{name}": step for name, step in pages.items()}
    settings = WebPagesSettings(robots=False, interval=0)
    async with (
        internet.open(),
        WebPages(settings, clock, resolve=internet.resolve, network=internet) as web,
        context(clients={WebPages: web}) as ctx,
    ):
        yield ctx, internet


def still(url: Any, **more: Any) -> Any:
    return record(b"/pictures/a.jpg", "4 - Scraping URL", url=url)._replace(**more)


async def test_a_page_is_read_into_the_record() -> None:
    async with scraper(page=redirects("/real"), real=sends(ARTICLE)) as (ctx, _):
        outcome = await scrape(ctx, still("http://site.test/page"))

    fields = dict(outcome.fields)
    check_json(fields)
    assert "Fishing boats" in str(fields.pop("url_text"))
    assert fields == {
        "url_title": "Harbour at dusk | Archive",
        "url_final": "http://site.test/real",
        "url_scraped_at": "2030-01-01T12:00:00+00:00",
        "url_problem": None,
    }
    assert outcome.note is not None and "http://site.test/real" in outcome.note


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://127.0.0.1/", "ERR_URL_REFUSED"),
        ("http://169.254.169.254/latest/meta-data/", "ERR_URL_REFUSED"),
        ("http://site.test/inside", "ERR_URL_REFUSED"),
        ("what is this", "ERR_URL_REFUSED"),
        ("http://site.test/gone", "ERR_URL_ANSWER"),
        ("http://no-such-host.test/", "ERR_URL_NO_HOST"),
        ("http://site.test/picture", "ERR_URL_NOT_TEXT"),
        ("http://site.test/large", "ERR_URL_TOO_LARGE"),
        ("http://site.test/blank", "ERR_URL_UNREADABLE"),
        ("http://site.test/comment", "ERR_URL_UNREADABLE"),
    ],
)
async def test_a_record_goes_on_without_a_page_and_says_why(url: str, code: str) -> None:
    pages = {
        "inside": redirects("http://10.0.0.1/admin"),
        "picture": sends(b"\x89PNG", type="image/png"),
        "large": sends("<p>word</p>" * 500_000),
        "blank": sends("<html><body> <img src=x> </body></html>"),
        "comment": sends("<!-- nothing -->"),
    }
    async with scraper(**pages) as (ctx, _):
        outcome = await scrape(ctx, still(url))

    problem = outcome.fields["url_problem"]
    assert outcome.fields == {**EMPTY, "url_problem": problem} and code in str(problem)
    assert outcome.note is not None and str(problem) in outcome.note


@pytest.mark.parametrize("step", [sends("", 503), sends("", 429), closes])
async def test_a_site_that_has_trouble_is_tried_again(step: Step) -> None:
    async with scraper(page=step) as (ctx, _):
        with pytest.raises(PageAway):
            await scrape(ctx, still("http://site.test/page"))


async def test_only_so_many_pages_are_made_text_of_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async with scraper(page=sends("<p>Words.</p>")) as (ctx, _):
        lent, most, borrow = 0, 0, ctx.borrow

        @asynccontextmanager
        async def counted(spec: WorkerSpec) -> AsyncIterator[Worker]:
            nonlocal lent, most
            async with borrow(spec) as worker:
                lent += 1
                most = max(most, lent)
                yield worker
                lent -= 1

        monkeypatch.setattr(ctx, "borrow", counted)
        outcomes = await asyncio.gather(*(scrape(ctx, still("http://site.test/page")) for _ in range(8)))

    assert [outcome.fields["url_text"] for outcome in outcomes] == ["Words."] * 8
    assert 1 <= most <= TEXTS_AT_ONCE


@pytest.mark.parametrize("url", [None, "", "   ", 7, ["http://site.test/"]])
async def test_a_record_without_a_url_has_nothing_to_read(url: Any) -> None:
    async with scraper() as (ctx, internet):
        outcome = await scrape(ctx, still(url))

    assert outcome == Outcome({**EMPTY, "url_problem": None}, note="There is no URL to read.")
    assert internet.asked == []


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("www.example.org/page", "https://www.example.org/page"),
        ("example.org", "https://example.org"),
        (" http://example.org/ ", "http://example.org/"),
        ("127.0.0.1/x", "127.0.0.1/x"),
        ("see the back", "see the back"),
    ],
)
def test_a_url_may_be_written_without_its_scheme(given: str, read: str) -> None:
    assert url_of(still(given)) == read


async def test_a_page_that_ends_its_worker_twice_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    dies = replace(scraping.PAGE_WORKER, command=(sys.executable, "-c", "import sys; sys.stdin.readline()"))
    monkeypatch.setattr(scraping, "PAGE_WORKER", dies)
    async with scraper(page=sends(ARTICLE)) as (ctx, _):
        with pytest.raises(WorkerExited):
            await scrape(ctx, still("http://site.test/page"))

        outcome = await scrape(ctx, still("http://site.test/page", attempts=1))

    assert "ERR_URL_UNREADABLE" in str(outcome.fields["url_problem"])


async def test_a_page_that_takes_a_parser_for_ever_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    hangs = (sys.executable, "-c", "import sys; sys.stdin.read()")
    monkeypatch.setattr(scraping, "PAGE_WORKER", replace(scraping.PAGE_WORKER, command=hangs, silence=0.2, grace=0.1))
    async with scraper(page=sends(ARTICLE)) as (ctx, _):
        outcome = await scrape(ctx, still("http://site.test/page"))

    assert "ERR_URL_UNREADABLE" in str(outcome.fields["url_problem"])
