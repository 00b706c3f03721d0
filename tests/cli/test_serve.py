"""`daemondeck serve` from its first line to its last, each deck a process of its own."""

import json
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from websockets.sync.client import ClientConnection, connect

from daemons.cli.address import Address
from tests.cli.deck_runner import DeckRunner, Serving
from tests.forked import PROJECT

CANARY = "canary-c0ffee-1234567890"


@contextmanager
def events(deck: DeckRunner, serving: Serving, query: str) -> Iterator[ClientConnection]:
    headers = {"Authorization": f"Bearer {token(deck)}"}
    address = f"{serving.url.replace('http', 'ws')}/api/events?{query}"
    with connect(address, additional_headers=headers, proxy=None) as stream:
        yield stream


def token(deck: DeckRunner) -> str:
    return (deck.data_dir / "token").read_text().strip()


def until(stream: ClientConnection, is_it: Any) -> dict[str, Any]:
    while True:
        frame = json.loads(stream.recv(timeout=10))
        for item in frame["data"].get("items", [frame["data"]]):
            if is_it(item):
                found: dict[str, Any] = item
                return found


def refused(deck: DeckRunner, *typed: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    done = deck.run_alone("serve", *typed, **variables)
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("ERR_")
    assert done.stdout == ""
    return done


# Opening.


def test_it_prints_a_link_that_signs_in(own_deck: DeckRunner) -> None:
    with own_deck.serving() as serving:
        address = Address.read(own_deck.data_dir)
        assert address is not None
        assert (address.url, address.pid) == (serving.url, serving.process.pid)
        assert serving.link.startswith(f"{serving.url}/signin?code=")

        answer = httpx2.get(serving.link, trust_env=False)
        assert answer.status_code == 200
        assert "form" in answer.text


def test_what_it_keeps_is_for_this_user_alone(own_deck: DeckRunner) -> None:
    with own_deck.serving():
        assert stat.S_IMODE(own_deck.data_dir.stat().st_mode) == 0o700
        for name in ("token", "deck.json"):
            assert stat.S_IMODE((own_deck.data_dir / name).stat().st_mode) == 0o600


def test_it_answers_below_its_base_path(own_deck: DeckRunner) -> None:
    with own_deck.serving("--base-path", "deck") as serving:
        assert serving.link.startswith(f"{serving.url}/deck/signin?code=")
        assert own_deck.run("status").returncode == 0
        assert own_deck.run("logs").returncode == 0


def test_nobody_has_to_sign_in_where_it_is_so_set(own_deck: DeckRunner) -> None:
    with own_deck.popen("serve", DAEMONDECK_AUTH="none") as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[-1]
            assert httpx2.get(f"{url}api/daemons", trust_env=False).status_code == 200
        finally:
            process.terminate()
        assert "signin" not in process.stdout.read()


def test_what_only_some_work_needs_is_not_loaded_for_serving() -> None:
    program = """
import sys
from daemons.cli import app, without
with without("rich"):
    from daemons.cli import serving
import daemons.service, web.app, web.server
print(*sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=PROJECT, check=True)

    assert not {"alembic", "PIL", "httpx2", "psycopg", "rich"} & set(done.stdout.split())


def test_a_deck_that_loaded_no_rich_logs_its_tracebacks() -> None:
    program = """
import sys
from daemons.cli import without
with without("rich"):
    from daemons.logs import set_up_logs
    import structlog
set_up_logs("console")
try:
    1 / 0
except ZeroDivisionError:
    structlog.get_logger().exception("died")
import rich.console
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=PROJECT, check=True)

    assert "died" in done.stderr
    assert "    ZeroDivisionError: division by zero" in done.stderr


# Refusing to open.


def test_a_taken_port_is_told_with_its_number(own_deck: DeckRunner) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])

        done = refused(own_deck, "--port", port)

    assert done.returncode == 75
    assert port in done.stderr


def test_a_second_deck_on_the_same_data_names_the_first(own_deck: DeckRunner) -> None:
    with own_deck.serving() as serving:
        port = serving.url.rpartition(":")[2]
        done = refused(own_deck, "--port", port)

        assert done.returncode == 75
        assert "ERR_ALREADY_SERVED" in done.stderr
        assert str(serving.process.pid) in done.stderr
        assert own_deck.run("status").returncode == 0


def test_settings_that_make_no_sense_are_told_in_one_line(own_deck: DeckRunner, tmp_path: Path) -> None:
    (tmp_path / "daemondeck.toml").write_text("port = \n")
    done = refused(own_deck)
    assert (done.returncode, len(done.stderr.splitlines())) == (78, 1)
    assert "line 1" in done.stderr

    (tmp_path / "daemondeck.toml").write_text("[lanes]\nio = 'two'\n")
    done = refused(own_deck)
    assert (done.returncode, len(done.stderr.splitlines())) == (78, 1)
    assert "lanes.io" in done.stderr

    (tmp_path / "daemondeck.toml").unlink()
    done = refused(own_deck, DAEMONDECK_LANGUAGE="tlh")
    assert (done.returncode, len(done.stderr.splitlines())) == (78, 1)
    assert done.stderr.startswith("ERR_LANGUAGE")
    assert "one of: en" in done.stderr


def test_a_data_directory_that_is_none_is_refused(own_deck: DeckRunner, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert refused(own_deck, DAEMONDECK_DATA_DIR=str(tmp_path / "file")).returncode == 78


def test_an_address_that_others_reach_needs_a_password(own_deck: DeckRunner) -> None:
    done = refused(own_deck, "--host", "0.0.0.0")

    assert done.returncode == 78
    assert "password" in done.stderr
    assert not own_deck.data_dir.exists()


@pytest.mark.parametrize("name", ["missing", "a file", "-rf", "new\nline"])
def test_a_folder_that_cannot_be_described_is_refused(own_deck: DeckRunner, tmp_path: Path, name: str) -> None:
    (tmp_path / "a file").touch()

    done = refused(own_deck, "--describe", name)

    assert done.returncode == 2
    assert "ERR_NO_DIRECTORY" in done.stderr
    assert len(done.stderr.splitlines()) == 1


# Describing.


def test_each_folder_gets_a_daemon_of_its_own_once(own_deck: DeckRunner, tmp_path: Path) -> None:
    one, two = tmp_path / "My Photos", tmp_path / "more" / "My Photos"
    for directory in (one, two):
        directory.mkdir(parents=True)

    for _ in range(2):
        with own_deck.serving("--describe", "~/My Photos", "--describe", str(two)) as serving:
            for name in ("describe-my-photos", "describe-my-photos-2"):
                assert own_deck.run("wait", name, "--for", "running").returncode == 0
            daemons = own_deck.json("status")
            described = {d["name"]: d for d in daemons if d["configuration"].get("directory")}
            assert {name: d["configuration"]["directory"] for name, d in described.items()} == {
                "describe-my-photos": str(one),
                "describe-my-photos-2": str(two),
            }
            assert all(d["desired"] == "on" for d in described.values())
            serving.process.terminate()
            assert serving.process.wait(timeout=10) == 0


# Closing.


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_closes_it_with_sockets_told_and_exit_code_0(own_deck: DeckRunner, number: signal.Signals) -> None:
    with own_deck.serving() as serving, events(own_deck, serving, "topics=daemons") as stream:
        until(stream, lambda item: item.get("name") == "demo")
        serving.process.send_signal(number)

        assert serving.process.wait(timeout=10) == 0
        with pytest.raises(Exception, match="1012"):
            until(stream, lambda item: False)
    assert Address.read(own_deck.data_dir) is None


def test_nothing_holds_the_end_and_work_goes_on_where_it_was(own_deck: DeckRunner) -> None:
    with own_deck.serving() as serving, stalled_client(own_deck, serving):
        headers = {"Authorization": f"Bearer {token(own_deck)}"}
        body = {"type": "toy_steps", "args": {"steps": 5, "wait_after": 3}}
        job = httpx2.post(f"{serving.url}/api/jobs", json=body, headers=headers, trust_env=False).json()
        with events(own_deck, serving, f"topics=jobs&job={job['id']}") as stream:
            until(stream, lambda item: item.get("progress") and item["progress"]["done"] == 3)
        assert own_deck.run("start", "toy_stubborn", "toy_blocker").returncode == 0
        own_deck.run("wake", "toy_blocker", "--timeout", "1")

        serving.process.terminate()
        assert serving.process.wait(timeout=10) == 0

    own_deck.run("stop", "toy_blocker", "toy_stubborn")
    with own_deck.serving() as serving:
        with events(own_deck, serving, f"topics=jobs&job={job['id']}") as stream:
            done = until(stream, lambda item: item.get("state") == "completed")
        assert done["result"]["began"] == 3


def test_a_second_signal_is_now(own_deck: DeckRunner) -> None:
    with own_deck.serving() as serving:
        own_deck.run("start", "toy_stubborn")
        with events(own_deck, serving, "topics=daemons") as stream:
            serving.process.terminate()
            with pytest.raises(Exception, match="1012"):
                until(stream, lambda item: False)
        serving.process.terminate()

        assert serving.process.wait(timeout=2) == 0


@contextmanager
def stalled_client(deck: DeckRunner, serving: Serving) -> Iterator[None]:
    """Open an events socket and never read from it."""
    host, port = serving.url.removeprefix("http://").split(":")
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect((host, int(port)))
        client.sendall(
            f"GET /api/events HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            f"Authorization: Bearer {token(deck)}\r\n\r\n".encode()
        )
        yield


# Following over a restart.


def test_following_logs_goes_through_a_restart_with_a_mark(own_deck: DeckRunner) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    with own_deck.serving("--port", port) as serving:
        own_deck.run("start", "toy_talker")
        following = own_deck.popen("logs", "toy_talker", "-f", "-n", "1")
        assert "at error" in following.stdout.readline()
        serving.process.kill()
        serving.process.wait()
    try:
        with own_deck.serving("--port", port):
            lines = [following.stdout.readline() for _ in range(3)]

            assert [line.split()[-1] for line in lines] == ["debug", "info", "error"]
            assert "-- connected again --" in own_deck.log_of("logs")
    finally:
        following.kill()
        following.communicate()


# Secrets.


def test_no_secret_is_in_what_is_logged_printed_or_shown(own_deck: DeckRunner) -> None:
    secrets = {"DAEMONDECK_TOKEN": CANARY, "DAEMONDECK_PASSWORD": CANARY + "-password"}
    with own_deck.serving(**secrets, DAEMONDECK_LOG_LEVEL="debug") as serving:
        headers = {"Authorization": f"Bearer {CANARY}"}
        with httpx2.Client(base_url=serving.url, headers=headers, trust_env=False) as client:
            answers = [client.get(path).text for path in ("/", "/api/daemons", "/metrics", "/api/none")]
            answers.append(client.post("/api/jobs", json={"type": CANARY[:6]}).text)
        shown = own_deck.run("config", "show", **secrets)
        serving.process.terminate()
        serving.process.wait(timeout=10)

    assert all(CANARY not in answer for answer in answers)
    assert CANARY not in shown.stdout + shown.stderr
    assert CANARY not in own_deck.log_of("serve")
    for file in own_deck.data_dir.rglob("*"):
        assert not file.is_file() or CANARY.encode() not in file.read_bytes(), file
