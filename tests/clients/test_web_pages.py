"""Reading pages over real sockets: what comes back, where nobody is led, and what sites do to whoever reads them."""

import asyncio
import gzip
import socket
import ssl
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from daemons.clients.web_connection import CONNECT_SECONDS
from daemons.clients.web_errors import PageAway, PageFailed, PageMissing, SiteFails, UrlRefused
from daemons.clients.web_pages import AT_ONCE, Page, WebPages
from daemons.settings.web_pages import WebPagesSettings
from tests.clients.bench import until
from tests.fake_clock import FakeClock
from tests.fakes.web_sites import (
    CERTIFICATE,
    OTHER,
    PUBLIC,
    Internet,
    Step,
    closes,
    falls_silent,
    hangs,
    pours,
    redirects,
    says,
    sends,
)

HTML = "<html><head><title>A title</title></head><body><p>Some words.</p></body></html>"


class Bench:
    """A reader of pages, its internet and its clock."""

    def __init__(self, internet: Internet, clock: FakeClock, pages: WebPages) -> None:
        self.internet, self.clock, self.pages = internet, clock, pages

    async def read(self, url: str = "http://site.test/page") -> Page:
        async with asyncio.timeout(20):
            return await self.pages.read(url)

    async def failure(self, url: str = "http://site.test/page") -> PageFailed | PageAway:
        """Return how reading fails: with a code, and with what is to be done."""
        try:
            page = await self.read(url)
        except (PageFailed, PageAway) as error:
            assert error.error_code.startswith("ERR_URL_") and error.remedy and 10 < len(error.message) < 700
            return error
        raise AssertionError(f"it was read: {page}")


@asynccontextmanager
async def open_bench(trust: ssl.SSLContext | None = None, **settings: Any) -> AsyncIterator[Bench]:
    """Open an internet, and a reader that asks no robots.txt and needs no pauses unless it is told to."""
    internet, clock = Internet(), FakeClock()
    given = WebPagesSettings(**{"robots": False, "interval": 0, **settings})
    async with (
        internet.open(),
        WebPages(given, clock, resolve=internet.resolve, network=internet, trust=trust) as pages,
    ):
        yield Bench(internet, clock, pages)


async def test_a_page_is_read() -> None:
    async with open_bench() as bench:
        bench.internet.pages["site.test/page?a=1"] = sends(HTML, type="text/html; charset=UTF-8")

        page = await bench.read("http://site.test/page?a=1#part")

        assert page == Page("http://site.test/page?a=1", "text/html", "utf-8", HTML.encode(), 0, bench.clock.now())
        (visit,) = bench.internet.visits
        assert visit.headers["user-agent"] == "Daemondeck" and "cookie" not in visit.headers
        assert bench.internet.dialled == [(PUBLIC, 80)]


async def test_a_name_is_looked_up_once_and_the_address_that_was_checked_is_the_one_that_is_called() -> None:
    async with open_bench() as bench:
        bench.internet.names["rebinding.test"], bench.internet.later["rebinding.test"] = [PUBLIC], ["127.0.0.1"]
        bench.internet.pages["rebinding.test/page"] = sends(HTML)

        await bench.read("http://rebinding.test/page")
        refused = await bench.failure("http://rebinding.test/page")

        assert bench.internet.asked == ["rebinding.test"] * 2
        assert bench.internet.dialled == [(PUBLIC, 80)]
        assert isinstance(refused, UrlRefused) and "rebinding.test is 127.0.0.1" in refused.reason


async def test_a_name_that_changes_between_two_redirects_is_looked_at_anew() -> None:
    async with open_bench() as bench:
        bench.internet.later["site.test"] = ["169.254.169.254"]
        bench.internet.pages["site.test/page"] = redirects("/latest/meta-data/")

        refused = await bench.failure()

        assert isinstance(refused, UrlRefused) and "169.254.169.254" in refused.message
        assert bench.internet.dialled == [(PUBLIC, 80)]


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("http://127.0.0.1/", "loopback"),
        ("http://localhost/", "loopback"),
        ("//[::1]/", "loopback"),
        ("http://2130706433/", "odd spelling"),
        ("http://169.254.169.254/latest/meta-data/", "link-local"),
        ("http://site.test:6379/", "port 6379"),
        ("http://user@site.test/", "before an @"),
        ("file:///etc/passwd", "does not begin with http"),
        ("http://[::1", "cannot be taken apart"),
        ("\\\\127.0.0.1\\x", "backslash"),
    ],
)
async def test_a_redirect_leads_nowhere_that_an_address_may_not(location: str, reason: str) -> None:
    async with open_bench() as bench:
        bench.internet.names["localhost"] = ["127.0.0.1"]
        bench.internet.pages["site.test/page"] = redirects(location)

        refused = await bench.failure()

        assert isinstance(refused, UrlRefused) and refused.error_code == "ERR_URL_REFUSED"
        assert reason in refused.reason and "it leads to" in refused.message
        assert bench.internet.dialled == [(PUBLIC, 80)]


async def test_redirects_are_followed_five_times() -> None:
    async with open_bench() as bench:
        for at in range(6):
            bench.internet.pages[f"site.test/{at}"] = redirects(f"{at + 1}", 301 + at % 2)
        bench.internet.pages["site.test/6"] = sends(HTML)

        page = await bench.read("http://site.test/1")
        refused = await bench.failure("http://site.test/0")

        assert (page.url, page.redirects) == ("http://site.test/6", 5)
        assert "more than 5 times" in refused.message


async def test_redirects_in_a_circle_are_not_followed() -> None:
    async with open_bench() as bench:
        bench.internet.pages |= {"site.test/page": redirects("/back"), "site.test/back": redirects("/page#again")}

        assert "circle" in (await bench.failure()).message
        assert len(bench.internet.visits) == 2


async def test_an_own_host_is_read_once_it_is_named() -> None:
    async with open_bench(allow_private=["nas.test"]) as bench:
        bench.internet.names |= {"nas.test": ["10.0.0.7"], "other.test": ["10.0.0.7"]}
        bench.internet.pages["nas.test/page"] = sends(HTML)

        assert (await bench.read("http://nas.test/page")).body == HTML.encode()
        assert (await bench.failure("http://other.test/page")).error_code == "ERR_URL_REFUSED"
        assert (await bench.failure("http://10.0.0.7/page")).error_code == "ERR_URL_REFUSED"


ANSWERS: dict[str, tuple[Step, str, bool]] = {
    "404": (sends("gone", 404), "ERR_URL_ANSWER", True),
    "403": (sends("no", 403), "ERR_URL_ANSWER", True),
    "410": (sends("gone", 410), "ERR_URL_ANSWER", True),
    "204": (says("HTTP/1.1 204 X"), "ERR_URL_ANSWER", True),
    "200 with nothing": (sends(" \n"), "ERR_URL_ANSWER", True),
    "302 to nowhere": (sends("", 302), "ERR_URL_ANSWER", True),
    "500": (sends("oops", 500), "ERR_URL_ANSWER", False),
    "503": (sends("later", 503), "ERR_URL_ANSWER", False),
    "429": (sends("later", 429), "ERR_URL_ANSWER", False),
    "closed": (closes, "ERR_URL_ANSWER", False),
    "no HTTP": (says("SSH-2.0-OpenSSH_9.6"), "ERR_URL_ANSWER", False),
    "cut off": (says("HTTP/1.1 200 X\r\nContent-Type: text/html\r\nContent-Length: 99", b"x"), "ERR_URL_ANSWER", False),
    "a picture": (sends(b"\x89PNG", type="image/png"), "ERR_URL_NOT_TEXT", True),
    "a PDF": (sends(b"%PDF-1.7", type="application/pdf"), "ERR_URL_NOT_TEXT", True),
    "a PDF as HTML": (sends(b"%PDF-1.7 and more", type="text/html"), "ERR_URL_NOT_TEXT", True),
    "JSON": (sends("{}", type="application/json"), "ERR_URL_NOT_TEXT", True),
    "binary as HTML": (sends(b"PK\x03\x04\x00\x00"), "ERR_URL_NOT_TEXT", True),
    "binary as nothing": (sends(b"\x00\x01\x02", type=None), "ERR_URL_NOT_TEXT", True),
    "packed unasked": (sends(b"xx", 200, "Content-Encoding: br"), "ERR_URL_NOT_TEXT", True),
    "packed twice": (sends(b"xx", 200, "Content-Encoding: gzip, gzip"), "ERR_URL_NOT_TEXT", True),
    "packed badly": (sends(b"xx", 200, "Content-Encoding: gzip"), "ERR_URL_ANSWER", True),
    "endless": (
        pours("HTTP/1.1 200 X\r\nContent-Type: text/html\r\n\r\n", b"words " * 9_000),
        "ERR_URL_TOO_LARGE",
        True,
    ),
    "endless chunks": (
        pours(
            "HTTP/1.1 200 X\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"8000\r\n" + b"w" * 0x8000 + b"\r\n",
        ),
        "ERR_URL_TOO_LARGE",
        True,
    ),
    "10 GB announced": (
        says("HTTP/1.1 200 X\r\nContent-Type: text/html\r\nContent-Length: 10000000000"),
        "ERR_URL_TOO_LARGE",
        True,
    ),
    "a bomb": (
        sends(gzip.compress(b"\0" * 50_000_000, mtime=0), 200, "Content-Encoding: gzip"),
        "ERR_URL_TOO_LARGE",
        True,
    ),
    "endless headers": (pours("HTTP/1.1 200 X\r\n", b"X-More: " + b"y" * 1000 + b"\r\n"), "ERR_URL_TOO_LARGE", True),
    "one endless header": (pours("HTTP/1.1 200 X\r\nX: ", b"y" * 1000), "ERR_URL_TOO_LARGE", True),
}


@pytest.mark.parametrize("answer", ANSWERS)
async def test_what_is_no_page_is_told_apart_by_whether_it_may_be_one_later(answer: str) -> None:
    step, code, is_final = ANSWERS[answer]
    async with open_bench(megabytes=1) as bench:
        bench.internet.pages["site.test/page"] = step

        failed = await bench.failure()

        assert (failed.error_code, isinstance(failed, PageFailed)) == (code, is_final)


@pytest.mark.parametrize(
    ("packed", "coding"),
    [
        (gzip.compress(HTML.encode(), mtime=0), "gzip"),
        (zlib.compress(HTML.encode()), "deflate"),
        (zlib.compress(HTML.encode())[2:-4], "deflate"),
        (HTML.encode(), "identity"),
    ],
)
async def test_a_packed_page_is_unpacked(packed: bytes, coding: str) -> None:
    async with open_bench() as bench:
        bench.internet.pages["site.test/page"] = sends(packed, 200, f"Content-Encoding: {coding}")

        assert (await bench.read()).body == HTML.encode()


@pytest.mark.parametrize("step", [hangs, falls_silent])
async def test_a_page_that_takes_too_long_is_left(step: Step) -> None:
    async with open_bench(seconds=30) as bench:
        bench.internet.pages["site.test/page"] = step
        failing = asyncio.ensure_future(bench.failure())
        await until(lambda: bench.internet.visits)

        await bench.clock.advance(29)
        assert not failing.done()
        await bench.clock.advance(1)

        failed = await failing
        assert (failed.error_code, isinstance(failed, PageAway)) == ("ERR_URL_TIMEOUT", True)
        await until(lambda: bench.internet.at_work == 0)


async def test_all_redirects_of_a_page_share_its_time() -> None:
    async with open_bench(seconds=30) as bench:
        bench.internet.pages |= {"site.test/page": hangs, "site.test/": redirects("/page")}
        failing = asyncio.ensure_future(bench.failure("http://site.test/"))
        await until(lambda: len(bench.internet.visits) == 2)

        await bench.clock.advance(30)

        assert (await failing).error_code == "ERR_URL_TIMEOUT"


async def test_a_name_server_that_says_nothing_takes_no_longer() -> None:
    async with open_bench(seconds=30) as bench:
        bench.internet.mute.add("site.test")
        failing = asyncio.ensure_future(bench.failure())
        await until(lambda: bench.clock.sleepers)

        await bench.clock.advance(30)

        assert (await failing).error_code == "ERR_URL_TIMEOUT"


async def test_whoever_stops_waiting_leaves_no_connection_behind() -> None:
    async with open_bench() as bench:
        bench.internet.pages["site.test/page"] = hangs
        reading = asyncio.ensure_future(bench.pages.read("http://site.test/page"))
        await until(lambda: bench.internet.visits)

        reading.cancel()

        await until(lambda: bench.internet.at_work == 0 and reading.cancelled())


async def test_the_next_address_of_a_host_is_tried() -> None:
    async with open_bench() as bench:
        bench.internet.names["site.test"] = [OTHER, "8.8.8.8", PUBLIC]
        bench.internet.unreachable, bench.internet.silent = {OTHER}, {"8.8.8.8"}
        bench.internet.pages["site.test/page"] = sends(HTML)
        reading = asyncio.ensure_future(bench.read())
        await until(lambda: len(bench.internet.dialled) == 2)

        await bench.clock.advance(CONNECT_SECONDS)

        assert (await reading).body == HTML.encode()
        assert [address for address, _ in bench.internet.dialled] == [OTHER, "8.8.8.8", PUBLIC]


async def test_a_host_that_cannot_be_reached_may_be_later() -> None:
    async with open_bench() as bench:
        bench.internet.unreachable = {PUBLIC}

        failed = await bench.failure()

        assert (type(failed), failed.error_code) == (PageAway, "ERR_URL_AWAY")


@pytest.mark.parametrize(
    ("name", "code", "is_final"),
    [(socket.EAI_NONAME, "ERR_URL_NO_HOST", True), (socket.EAI_AGAIN, "ERR_URL_AWAY", False)],
)
async def test_a_name_that_is_none_is_told_from_one_that_nobody_knows_now(name: int, code: str, is_final: bool) -> None:
    async with open_bench() as bench:
        bench.internet.names["site.test"] = socket.gaierror(name, "no")

        failed = await bench.failure()

        assert (failed.error_code, isinstance(failed, PageFailed)) == (code, is_final)


async def test_a_certificate_has_to_be_trusted_and_of_that_name() -> None:
    trust = ssl.create_default_context(cafile=CERTIFICATE)
    async with open_bench(trust) as bench:
        bench.internet.names["other.test"] = [PUBLIC]
        bench.internet.pages |= {"site.test/page": sends(HTML), "other.test/page": sends(HTML)}

        assert (await bench.read("https://site.test/page")).url == "https://site.test/page"
        assert (await bench.failure("https://other.test/page")).error_code == "ERR_URL_TLS"
    async with open_bench() as bench:
        bench.internet.pages["site.test/page"] = sends(HTML)

        assert (await bench.failure("https://site.test/page")).error_code == "ERR_URL_TLS"


async def test_what_robots_may_not_read_is_left_alone() -> None:
    async with open_bench(robots=True) as bench:
        rules = "User-agent: *\nAllow: /private/one\nDisallow: /private\n\nUser-agent: other\nDisallow: /\n"
        bench.internet.pages |= {
            "site.test/robots.txt": sends(rules, type="text/plain"),
            "site.test/page": sends(HTML),
            "site.test/private/one": sends(HTML),
            "site.test/on": redirects("/private/two"),
        }

        await bench.read()
        await bench.read("http://site.test/private/one")
        refused = [await bench.failure(f"http://site.test/{path}") for path in ("private/two", "on")]

        assert [error.error_code for error in refused] == ["ERR_URL_ROBOTS"] * 2
        assert isinstance(refused[0], PageFailed)
        assert [visit.target for visit in bench.internet.visits].count("/robots.txt") == 1


async def test_rules_are_asked_for_anew_after_an_hour() -> None:
    async with open_bench(robots=True) as bench:
        bench.internet.pages |= {"site.test/robots.txt": sends(b"x" * 2_000_000), "site.test/page": sends(HTML)}
        await bench.read()
        await bench.clock.advance(3600)
        bench.internet.pages["site.test/robots.txt"] = sends("user-agent: daemondeck\ndisallow: /")

        assert (await bench.failure()).error_code == "ERR_URL_ROBOTS"


@pytest.mark.parametrize(
    "rules",
    [
        sends("", 404),
        sends("", 403),
        redirects("http://127.0.0.1/"),
        redirects("/robots.txt"),
        sends(b"\0\1"),
        sends(""),
    ],
)
async def test_a_site_without_rules_is_read(rules: Step) -> None:
    async with open_bench(robots=True) as bench:
        bench.internet.pages |= {"site.test/robots.txt": rules, "site.test/page": sends(HTML)}

        assert (await bench.read()).body == HTML.encode()


@pytest.mark.parametrize(("rules", "code"), [(sends("", 503), "ERR_URL_ANSWER"), (closes, "ERR_URL_ANSWER")])
async def test_a_site_whose_rules_nobody_knows_now_is_read_later(rules: Step, code: str) -> None:
    async with open_bench(robots=True) as bench:
        bench.internet.pages |= {"site.test/robots.txt": rules, "site.test/page": sends(HTML)}

        failed = await bench.failure()

        assert (failed.error_code, isinstance(failed, PageAway)) == (code, True)
        assert [visit.target for visit in bench.internet.visits] == ["/robots.txt"]


async def test_a_host_is_asked_once_in_a_while_and_others_meanwhile() -> None:
    async with open_bench(interval=2) as bench:
        bench.internet.names["other.test"] = [PUBLIC]
        bench.internet.pages |= {"site.test/page": sends(HTML), "other.test/page": sends(HTML)}

        readings = [asyncio.ensure_future(bench.read()) for _ in range(3)]
        await bench.read("http://other.test/page")
        await until(lambda: readings[0].done())

        assert bench.clock.sleepers == [2.0, 4.0]
        await bench.clock.advance(2)
        await until(lambda: readings[1].done())
        await bench.clock.advance(2)
        await asyncio.gather(*readings)


async def test_the_pause_that_a_site_wishes_for_is_kept() -> None:
    async with open_bench(robots=True) as bench:
        rules = sends("user-agent: *\ncrawl-delay: 7")
        bench.internet.pages |= {"site.test/robots.txt": rules, "site.test/page": sends(HTML)}
        await bench.read()

        second = asyncio.ensure_future(bench.read())
        await until(lambda: bench.clock.sleepers)

        assert bench.clock.sleepers == [7.0]
        await bench.clock.advance(7)
        await second


async def test_a_site_that_asks_for_it_is_left_alone_for_that_long() -> None:
    async with open_bench() as bench:
        bench.internet.pages["site.test/page"] = sends("", 429, "Retry-After: 600")
        first = await bench.failure()

        second = await bench.failure()

        assert isinstance(first, SiteFails) and first.retry_after == 600
        assert (second.error_code, len(bench.internet.visits)) == ("ERR_URL_BUSY", 1)
        await bench.clock.advance(600)
        bench.internet.pages["site.test/page"] = sends(HTML)
        await bench.read()


async def test_only_so_many_pages_are_read_at_a_time() -> None:
    async with open_bench() as bench:
        bench.internet.pages["site.test/page"] = hangs
        readings = [asyncio.ensure_future(bench.failure()) for _ in range(AT_ONCE + 3)]

        await until(lambda: len(bench.internet.visits) == AT_ONCE)

        assert bench.internet.at_work == AT_ONCE
        for reading in readings:
            reading.cancel()
        await asyncio.gather(*readings, return_exceptions=True)


async def test_the_system_is_asked_for_names_of_this_machine_and_they_are_refused() -> None:
    async with WebPages(WebPagesSettings(), FakeClock()) as pages:
        with pytest.raises(UrlRefused):
            await pages.read("http://localhost/")


async def test_a_page_that_is_missing_says_where() -> None:
    async with open_bench() as bench:
        failed = await bench.failure("http://site.test/no/such/page")

        assert isinstance(failed, PageMissing) and "site.test answers 404" in failed.message
