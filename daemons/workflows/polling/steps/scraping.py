"""Reads the page that a record's URL leads to. What it says is a stranger's word, and never more than text."""

import base64
import re
from contextlib import aclosing
from typing import Any

from daemons.clients.web_errors import PageFailed
from daemons.clients.web_pages import Page, WebPages
from daemons.errors import DaemonError
from daemons.subprocess_work.errors import WorkerExited, WorkerHung, WorkerKilled, WorkerOutOfMemory, WorkerTaskFailed
from daemons.subprocess_work.spec import MEBIBYTE, WorkerSpec
from daemons.text import clean
from daemons.workflows.polling.ladder import Outcome, StepContext
from daemons.workflows.polling.page_text import PageUnreadable
from daemons.workflows.polling.records import Record

PAGE_WORKER = WorkerSpec.module(
    "daemons.workflows.polling.page_worker",
    memory=1024 * MEBIBYTE,
    silence=30.0,
    recycle_requests=200,
    recycle_memory=300 * MEBIBYTE,
    idle_seconds=60.0,
)
URL_CHARACTERS = 2048
PROBLEM_CHARACTERS = 500
DEATHS = 2
"""So many times a page may end its worker before it is the page's fault."""
# As people and cameras write it: www.example.org/page.
_WITHOUT_SCHEME = re.compile(r"(?!\d+(\.|$))[\w-]+(\.[\w-]+)+(:\d+)?([/?#].*)?", re.DOTALL)
_NOTHING = {"url_title": None, "url_text": None, "url_final": None, "url_scraped_at": None}


async def scrape(ctx: StepContext, record: Record) -> Outcome:
    """Read the page. Where there is none to be had, the record goes on, with the reason in `url_problem`.

    Raises PageAway while the page cannot be read now but may be later.
    """
    url = url_of(record)
    if not url:
        return Outcome({**_NOTHING, "url_problem": None}, note="There is no URL to read.")
    try:
        web = ctx.client(WebPages)
        page = await web.read(url)
        async with web.text_places:
            said = await _text_of(ctx, record, page)
    except (PageFailed, PageUnreadable) as error:
        return _without(error)
    title, text = said["title"], said["text"]
    if not title and not text:
        return _without(PageUnreadable("The page holds no text."))
    fields = {
        "url_title": title or None,
        "url_text": text or None,
        "url_final": clean(page.url, URL_CHARACTERS),
        "url_scraped_at": page.read_at.isoformat(),
        "url_problem": None,
    }
    return Outcome(fields, note=f"Read {len(text):,} characters of {clean(page.url, 200)}.")


def url_of(record: Record) -> str:
    """Return the record's URL, with a scheme where it was written without one; "" where there is none."""
    given = record.fields.get("url")
    url = given.strip() if isinstance(given, str) else ""
    return f"https://{url}" if _WITHOUT_SCHEME.fullmatch(url) else url


def _without(error: DaemonError) -> Outcome:
    problem = clean(f"{error.message} ({error.error_code})", PROBLEM_CHARACTERS)
    return Outcome({**_NOTHING, "url_problem": problem}, note=f"The URL is left out. {problem}")


async def _text_of(ctx: StepContext, record: Record, page: Page) -> Any:
    request = {
        "url": page.url,
        "media_type": page.media_type,
        "charset": page.charset,
        "body": base64.b64encode(page.body).decode("ascii"),
    }
    try:
        async with ctx.borrow(PAGE_WORKER) as worker, aclosing(worker.run(request)) as results:
            found = [result async for result in results]
    except (WorkerTaskFailed, WorkerHung, WorkerOutOfMemory) as error:
        raise PageUnreadable(f"The page cannot be read: {error.message}") from error
    except (WorkerKilled, WorkerExited) as error:
        # The first time it may have been anything: the machine out of memory, a person.
        if record.attempts + 1 < DEATHS:
            raise
        raise PageUnreadable(f"Reading the page ended its worker process: {error.message}") from error
    return found[0]
