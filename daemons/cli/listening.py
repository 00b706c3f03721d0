"""The socket the deck listens on, taken before anything else is opened."""

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from daemons.cli.exits import CommandError, Exit

BACKLOG = 2048


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """Open a listening socket. Raises CommandError when the port is taken or the address is not ours."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise _refused(host, port, error) from error
    with listener:
        yield listener


def address_of(listener: socket.socket) -> tuple[str, int]:
    """Return the host to put in a link, and the real port."""
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        host = "127.0.0.1" if host == "0.0.0.0" else "::1"  # noqa: S104
    return (f"[{host}]" if ":" in host else host), port


def _refused(host: str, port: int, error: OSError) -> CommandError:
    if error.errno == errno.EADDRINUSE:
        return CommandError(
            Exit.BUSY,
            f"Port {port} on {host} is taken by another program.",
            remedy="Stop that program, or choose another port; --port 0 takes a free one.",
            code="ERR_PORT_TAKEN",
        )
    return CommandError(
        Exit.SETTINGS,
        f"The deck cannot listen on {host} port {port}: {error.strerror or error}.",
        remedy="Set host to an address of this machine, 127.0.0.1 for example, and port to 1024 or above.",
        code="ERR_LISTEN",
    )
