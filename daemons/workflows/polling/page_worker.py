"""The worker process that makes text of pages: `python -m daemons.workflows.polling.page_worker`.

    request   {"url", "media_type", "charset", "body": base64}
    result    {"title", "text"}

A page may hold whatever takes a parser minutes or gigabytes: here that ends this process and nothing else.
"""

import base64
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from daemons.worker_process import Begin, Result, serve
from daemons.workflows.polling.page_text import read_page


def handle(request: dict[str, Any]) -> Iterator[Begin | Result]:
    """Read one page; what is wrong with it is why the request fails."""
    yield Begin(request["url"])
    found = read_page(base64.b64decode(request["body"]), request["media_type"], request["charset"])
    yield Result(asdict(found))


if __name__ == "__main__":
    serve(handle)
