"""Sends one message to one target, bounded in time: a signed webhook, or whatever service apprise knows."""

import asyncio
import hashlib
import hmac
import importlib.util
import json
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from daemons.clock import Clock
from daemons.errors import Invalid
from daemons.notices import Target
from daemons.values import MASK

SECONDS = 15.0
"""Time for one message, whatever the target does."""
RETRY_MOST = 900.0
NO_APPRISE = "Install the extra that brings it: pip install 'daemondeck[notify]'"


@dataclass(frozen=True, slots=True)
class Sent:
    """How a try went: no problem, or what it was, whether another try may help, and the least wait before it."""

    problem: str | None = None
    is_final: bool = False
    retry_after: float = 0.0


def require_sender(kind: str) -> None:
    """Raise Invalid with the remedy when nothing here can send to such a target."""
    if kind == "apprise" and importlib.util.find_spec("apprise") is None:
        raise Invalid("apprise is not installed.", remedy=NO_APPRISE, code="ERR_NO_APPRISE")


async def send(
    clock: Clock, threads: Executor, target: Target, title: str, body: str, *, kind: str, number: int
) -> Sent:
    """Send, and return how it went; never raises, never takes longer than SECONDS."""
    sending = (
        _webhook(clock, target, title, body, kind, number)
        if target.kind == "webhook"
        else _apprise(threads, target, title, body)
    )
    task = asyncio.ensure_future(sending)
    await clock.settle({task}, SECONDS)
    if not task.done():
        task.cancel()
        return Sent(f"no answer within {SECONDS:g} seconds")
    if task.cancelled():
        return Sent("the message was cut short")
    if error := task.exception():
        return Sent(_without_secrets(f"{type(error).__name__}: {error}", target))
    return task.result()


async def _webhook(clock: Clock, target: Target, title: str, body: str, kind: str, number: int) -> Sent:
    import httpx2

    text = json.dumps({"id": number, "kind": kind, "title": title, "body": body}, ensure_ascii=False)
    at = str(int(clock.now().timestamp()))
    headers = {"Content-Type": "application/json", "X-Daemondeck-Timestamp": at}
    if target.secret:
        headers["X-Daemondeck-Signature"] = signature(target.secret, at, text.encode())
    # Exactly the address its owner gave: redirects and proxies could lead our secrets elsewhere.
    # Of the answer its head is all that matters: whatever follows is not read, however much it is.
    async with (
        httpx2.AsyncClient(timeout=SECONDS, follow_redirects=False, trust_env=False) as client,
        client.stream("POST", target.url, content=text.encode(), headers=headers) as answer,
    ):
        return _verdict(answer.status_code, answer.headers.get("retry-after"), clock.now())


def _verdict(status: int, retry_after: str | None, now: datetime) -> Sent:
    if 200 <= status < 300:
        return Sent()
    is_final = status in (400, 401, 403, 404, 405, 410, 413, 415, 422) or 300 <= status < 400
    return Sent(f"it answered {status}", is_final, _retry_after(retry_after, now))


async def _apprise(threads: Executor, target: Target, title: str, body: str) -> Sent:
    require_sender("apprise")
    # It waits for the network in a thread, which is given up, not waited for, when it takes too long.
    return await asyncio.get_running_loop().run_in_executor(threads, _notify, target, title, body)


def _notify(target: Target, title: str, body: str) -> Sent:
    import apprise

    service: Any = apprise.Apprise()
    if not service.add(target.url):
        return Sent("apprise does not know this kind of address", is_final=True)
    return Sent() if service.notify(title=title, body=body) else Sent("the service did not take it")


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Return "sha256=…": HMAC-SHA256, keyed with the secret, of the timestamp, a full stop and the body."""
    return "sha256=" + hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def _retry_after(value: str | None, now: datetime) -> float:
    if value is None:
        return 0.0
    try:
        seconds = float(value) if value.isdecimal() else (parsedate_to_datetime(value) - now).total_seconds()
    except (ValueError, TypeError):
        return 0.0
    return max(0.0, min(RETRY_MOST, seconds))


def _without_secrets(text: str, target: Target) -> str:
    for secret in (target.url, target.secret, *target.url.replace("@", "/").split("/")[2:]):
        if secret and len(secret) > 3:
            text = text.replace(secret, MASK)
    return text
