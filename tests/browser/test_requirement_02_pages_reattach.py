"""Server state is the truth; pages re-attach: snapshot first, missed events become one summary line.

Sleep a tab during 500 completions; correct state, at most one toast.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
from playwright.sync_api import Page, expect

from tests.browser.conftest import open_live, toasts_of
from tests.browser.deck import Deck

COMPLETIONS = 500


@contextmanager
def asleep() -> Iterator[None]:
    """Stop the processes that run pages, as a machine that sleeps does."""
    renderers = [
        process
        for process in psutil.Process().children(recursive=True)
        if "--type=renderer" in " ".join(process.cmdline())
    ]
    assert renderers
    for renderer in renderers:
        renderer.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for renderer in renderers:
            renderer.send_signal(signal.SIGCONT)


def test_a_tab_that_slept_through_500_completions_is_right_after_waking(page: Page, deck: Deck) -> None:
    first = deck.order("shy")
    open_live(page, deck, "/jobs")
    expect(page.locator(f"#j-{first}")).to_have_attribute("data-state", "completed")
    toasts = toasts_of(page)

    with asleep():
        newest = [deck.order("shy") for _ in range(COMPLETIONS)][-1]
        while deck.call("GET", f"/api/jobs/{newest}")["state"] != "completed":  # the test's own time limit bounds it
            continue

    expect(page.locator("#chip")).to_have_text("Live", timeout=10_000)
    # New jobs wait behind the pill, so that no row moves by itself; one press shows them.
    pill = page.locator(".pill a").first
    expect(pill.or_(page.locator(f"#j-{newest}")).filter(visible=True).first).to_be_visible(timeout=10_000)
    if pill.is_visible():
        pill.click()
    expect(page.locator(f"#j-{newest}")).to_have_attribute("data-state", "completed", timeout=10_000)
    shown = page.locator(".job-row").evaluate_all("rows => rows.map(row => [row.id.slice(2), row.dataset.state])")
    true = [[job["id"], job["state"]] for job in deck.call("GET", f"/api/jobs?limit={len(shown)}")["items"]]
    assert shown == true
    assert len([toast for toast in toasts if toast]) <= 1


def test_what_was_missed_while_the_deck_was_away_is_one_line(page: Page, deck: Deck) -> None:
    names = [deck.add("puppet") for _ in range(3)]
    open_live(page, deck)
    toasts = toasts_of(page)

    deck.kill()
    expect(page.locator("#chip")).to_have_text("Offline")
    page.context.set_offline(True)
    deck.start()
    toasts.clear()
    for name in names[1:]:
        deck.command(name, "stop")
    deck.add("puppet")
    page.context.set_offline(False)

    expect(page.locator("#chip")).to_have_text("Live", timeout=10_000)
    expect(page.locator("#banner")).to_contain_text(": 2. New since ")
    assert len([toast for toast in toasts if toast]) == 1
