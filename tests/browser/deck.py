"""A real deck as the browser tests drive it: a process that may be killed, and puppets that say what a test wants."""

import re
import signal
import threading
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import httpx2

from tests.chaos.deck_process import READY_SECONDS, TOKEN, environment, free_port
from tests.forked import ForkedDeck, seed

BASE_PATH = "/deck"
MISCONFIGURED = "misconfigured"
"""A puppet of this name fails as soon as it is started: the environment gives it an option that is no number."""
_LINK = re.compile(r"http://\S+/signin\?code=\S+")
_numbers = count(1)

Item = dict[str, Any]


class Deck:
    """`daemondeck serve` on one data directory and port. Starts with `with`; may be killed and started again.

    `link` is the one that the newest start printed; it signs in once.
    """

    def __init__(
        self, data_dir: Path, *arguments: str, plugins: Sequence[str] = ("tests.browser.puppets",), **settings: str
    ) -> None:
        self._data_dir = data_dir
        self._arguments = arguments
        self.port = free_port()
        ours = {"port": str(self.port), "base_path": BASE_PATH, f"daemons__{MISCONFIGURED}__done": "soon"}
        self._environment = environment(data_dir, plugins, settings={**ours, **settings})
        self.origin = f"http://127.0.0.1:{self.port}"
        self._http = httpx2.Client(
            base_url=self.origin + BASE_PATH,
            headers={"Authorization": f"Bearer {TOKEN}"},
            timeout=15,
            verify=False,
            trust_env=False,
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self.kill()
        self._http.close()

    # Its life.

    def start(self) -> None:
        """Return once it serves. Raises AssertionError with what it said when it does not."""
        self.link, self.said = "", list[str]()
        self._told = threading.Event()
        seed(self._data_dir)
        self._process = ForkedDeck(["serve", *self._arguments], env=self._environment, text=True)
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()
        self._told.wait(READY_SECONDS)
        assert self.link, "".join(self.said)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it without a word to anybody. Safe to call twice."""
        self._process.kill()
        self._process.wait()
        self._reading.join()

    # What it shows.

    def url(self, path: str = "/daemons") -> str:
        return self.origin + BASE_PATH + path

    def session(self, role: str = "admin") -> Any:
        """Sign in, and return the cookie as Playwright takes it."""
        link = self.call("POST", "/api/signin-links", {"role": role})["url"]
        [code] = parse_qs(urlsplit(link).query)["code"]
        answer = self._http.post("/signin", data={"code": code}, headers={"Origin": self.origin})
        [(name, value)] = answer.cookies.items()
        return {"name": name, "value": value, "url": self.url("/")}

    def call(self, method: str, path: str, body: Item | None = None) -> Item:
        """Call the API and return its answer."""
        answer = self._http.request(method, path, json=body)
        assert answer.is_success, answer.text
        return dict(answer.json()) if answer.content else {}

    def tell(self, name: str, **options: Any) -> None:
        """Give a puppet new options, which it acts upon at once."""
        self.call("PATCH", f"/api/daemons/{name}", {"configuration": options})

    def order(self, type: str, **args: Any) -> str:
        """Create a job and return its id."""
        return str(self.call("POST", "/api/jobs", {"type": type, "args": args})["id"])

    def add(self, type: str, name: str = "", *, starts: bool = True, **options: Any) -> str:
        """Add a daemon and return its name."""
        name = name or f"{type}-{next(_numbers)}"
        self.call("POST", "/api/daemons", {"type": type, "name": name, "configuration": options})
        if starts:
            self.command(name, "start")
        return name

    def command(self, name: str, command: str, **wishes: Any) -> None:
        """Do to a daemon what a button does."""
        self.call("POST", f"/api/daemons/{name}/{command}", wishes)

    def _read(self) -> None:
        with self._process.stdout as lines:
            for line in lines:
                self.said.append(line)
                if link := _LINK.search(line):
                    self.link = link[0]
                    self._told.set()
        self._told.set()
