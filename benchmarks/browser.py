"""P4 and P15 in a real browser: how soon a change is on the screen, and what a page that is looked at costs."""

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from benchmarks.report import Benchmark, Figure, Rounds, at_most, percentile

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.deck import Deck

ROWS = 200
RATE = 20.0
SECONDS = 10.0
SLOW_RATE = 2.0
CHANGES = 60
SETTLE_MS = 3000
"""Until all that the start of so many daemons has to tell is told."""
_CHORUS = ("tests.browser.chorus",)
_LATENCIES = """(wanted) => new Promise((done) => {
    const late = [], known = new Set(), said = /It is ([0-9.]+)/;
    new MutationObserver((changes) => {
        for (const { target } of changes) {
            const time = said.exec(target.textContent);
            if (!time || known.has(time[1])) continue;  // a row may change again beside what it says
            known.add(time[1]);
            late.push(performance.timeOrigin + performance.now() - Number(time[1]));
        }
        if (late.length >= wanted) done(late);
    }).observe(document.querySelector(".daemons"), { characterData: true, childList: true, subtree: true });
})"""


async def latency() -> list[Figure]:
    """P4: from the call of update_status to the text in the page."""
    return await asyncio.to_thread(_measured, _latency)


async def cost() -> list[Figure]:
    """P15: what the browser spends on rows that change."""
    return await asyncio.to_thread(_measured, _cost)


def _latency(look: "Look") -> list[Figure]:
    look.sing(SLOW_RATE)
    late = look.page.evaluate(_LATENCIES, CHANGES)
    figures = [("median", 50, None), ("p99", 99, at_most(100, " ms"))]
    return [Figure(name, Rounds([percentile(late, at)], " ms"), goal) for name, at, goal in figures]


def _cost(look: "Look") -> list[Figure]:
    calm, busy = [], []
    for _ in range(3):
        look.hush()
        calm.append(look.share_of_a_core())
        look.sing(RATE)
        busy.append(look.share_of_a_core())
    return [
        Figure("without changes", Rounds(calm, " %"), note="ages that tick"),
        Figure(f"{RATE:.0f} changes a second", Rounds(busy, " %"), at_most(8, " %")),
    ]


class Look:
    """Somebody who looks at a deck of ROWS daemons; use `_look`."""

    def __init__(self, deck: "Deck", page: "Page") -> None:
        self.page = page
        self._deck = deck

    def sing(self, rate: float) -> None:
        """Have rows change, `rate` a second."""
        self._deck.tell("conductor", rate=rate)
        self._deck.command("conductor", "start")

    def hush(self) -> None:
        """Have no row change."""
        self._deck.command("conductor", "stop")

    def share_of_a_core(self) -> float:
        """Return the percentage of one core that page and drawing take for SECONDS."""
        before = _browser_seconds()
        self.page.wait_for_timeout(SECONDS * 1000)
        return (_browser_seconds() - before) / SECONDS * 100


def _measured(measure: Callable[[Look], list[Figure]]) -> list[Figure]:
    with _look() as look:
        return measure(look)


@contextmanager
def _look() -> Iterator[Look]:
    # Whoever measures something else need not have a browser.
    from playwright.sync_api import sync_playwright

    from tests.browser.chromium import ARGUMENTS, CHROMIUM
    from tests.browser.deck import Deck

    with (
        tempfile.TemporaryDirectory() as folder,
        Deck(Path(folder), plugins=_CHORUS) as deck,
        sync_playwright() as tool,
    ):
        chromium = tool.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        for number in range(ROWS):
            deck.add("chorister", f"chorister-{number:03}", starts=False)
        deck.call("POST", "/api/daemons/start-all")
        for talker in ("demo", "conductor"):
            deck.command(talker, "stop")
        context = chromium.new_context(viewport={"width": 1280, "height": 900})
        context.add_cookies([deck.session()])
        page = context.new_page()
        page.goto(deck.url())
        page.locator("#chip", has_text="Live").wait_for()
        page.wait_for_timeout(SETTLE_MS)
        yield Look(deck, page)
        chromium.close()


def _browser_seconds() -> float:
    """Return the CPU seconds that the processes which run and draw pages have used."""
    used = 0.0
    for process in psutil.Process().children(recursive=True):
        line = " ".join(process.cmdline())
        if "--type=renderer" in line or "--type=gpu-process" in line:
            times = process.cpu_times()
            used += times.user + times.system
    return used


BENCHMARKS = [
    Benchmark(
        "P4b",
        f"From a status to the text on the page, {ROWS} rows",
        f"{SLOW_RATE:.0f} daemons a second say the time; the page compares it with when a MutationObserver sees it. "
        "Chromium draws in software.",
        latency,
    ),
    Benchmark(
        "P15",
        f"A page of {ROWS} rows that somebody looks at",
        f"CPU of Chromium's renderer and drawing processes over {SECONDS:.0f} s, in percent of one core, software "
        "drawing; rows change in no order, those in view are drawn.",
        cost,
    ),
]
