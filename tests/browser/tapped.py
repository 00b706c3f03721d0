"""A page whose socket a test can listen to and speak on: for what a real deck does once in a thousand times."""

import json

from playwright.sync_api import Page, WebSocketRoute

from tests.browser.deck import Deck


class Tap:
    """Sits between a page and the deck. Put it in before the page is opened."""

    def __init__(self, page: Page, deck: Deck) -> None:
        self.frames: list[str] = []
        self._at = ""
        page.route_web_socket(deck.url("/live").replace("http", "ws", 1), self._connect)

    def frame_with(self, text: str) -> str:
        """Return the newest frame in which `text` stands."""
        return next(frame for frame in reversed(self.frames) if text in frame)

    def send(self, frame: str) -> None:
        """Have the page hear a frame."""
        self._page_side.send(frame)

    def resync(self) -> None:
        """Tell the page that it missed something, as the deck does with one that is too slow."""
        at = json.loads(self.frames[-1])["at"]
        self.send(json.dumps({"seq": 0, "type": "resync", "at": at}))

    def _connect(self, page_side: WebSocketRoute) -> None:
        self._page_side = page_side
        deck_side = page_side.connect_to_server()
        deck_side.on_message(self._hear)

    def _hear(self, message: str | bytes) -> None:
        assert isinstance(message, str)
        self.frames.append(message)
        self.send(message)
