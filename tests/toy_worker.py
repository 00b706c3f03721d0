"""A worker that does what a test asks for: `{"do": name, …}` calls the function of that name."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from daemons.worker_process import Alive, Begin, Message, Result, WornOut, serve

Answer = Iterator[Message]


def echo(request: dict[str, Any]) -> Answer:
    for value in request["values"]:
        yield Result(value)


def items(request: dict[str, Any]) -> Answer:
    """Each item waits at a gate: a named pipe that the test opens."""
    for item, gate in request["items"]:
        yield Begin(item)
        Path(gate).read_bytes()
        yield Result(item)


def tire(request: dict[str, Any]) -> Answer:
    """Be worn out after the first of the values."""
    for value in request["values"]:
        yield Result(value)
        yield WornOut()


def warm_up(request: dict[str, Any]) -> Answer:
    """Say that it goes on, before the first item is taken, for ever."""
    yield Result("warming up")
    while True:
        threading.Event().wait(0.01)
        yield Alive()


def die(request: dict[str, Any]) -> Answer:
    yield Begin("poison")
    os.kill(os.getpid(), request["signal"])
    yield Result("survived")


def leave(request: dict[str, Any]) -> Answer:
    yield Result("before")
    os._exit(request["code"])


def eat(request: dict[str, Any]) -> Answer:
    yield Begin("cake")
    cake = bytearray(request["bytes"])
    yield Result(len(cake))


def fail(request: dict[str, Any]) -> Answer:
    yield Begin("task")
    raise LookupError(request["message"])


def hang(request: dict[str, Any]) -> Answer:
    yield Begin("tar pit")
    stand_still_forever()


def stand_still_forever() -> None:
    threading.Event().wait()


def defy(request: dict[str, Any]) -> Answer:
    """Ignore SIGTERM and the end of stdin."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os._exit = lambda code: None  # type: ignore[assignment]
    yield Result(os.getpid())
    stand_still_forever()


def survive(request: dict[str, Any]) -> Answer:
    """Give up the kernel's parent-death signal, as on systems that have none."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, 0, 0, 0, 0)
    yield Result(os.getpid())
    stand_still_forever()


def chatter(request: dict[str, Any]) -> Answer:
    line = b"x" * 99 + b"\n"
    for _ in range(request["bytes"] // len(line)):
        os.write(2, line)
    os.write(2, b"the very last words\n")
    yield Result("done")


def write_raw(request: dict[str, Any]) -> Answer:
    """Write to the real stdout past the protocol."""
    output = real_stdout()
    rest = memoryview(request["text"].encode() * request.get("times", 1) + b"\n")
    while rest:
        rest = rest[os.write(output, rest) :]
    yield Result("written")


def real_stdout() -> int:
    """Return the pipe that the protocol took away from descriptor 1: the newest one."""
    links = ((int(entry.name), entry) for entry in Path("/proc/self/fd").iterdir())
    return max(fd for fd, entry in links if entry.is_symlink() and str(entry.readlink()).startswith("pipe:"))


def print_aloud(request: dict[str, Any]) -> Answer:
    print("a library says hello", flush=True)  # noqa: T201
    yield Result("quiet")


def leave_child(request: dict[str, Any]) -> Answer:
    """End while a child of ours still holds all our pipes."""
    output = real_stdout()
    child = subprocess.Popen(
        [sys.executable, "-c", "import threading; threading.Event().wait()"],
        pass_fds=[output],
        start_new_session=request["own_session"],
    )
    yield Result(child.pid)
    os._exit(5)


def tell(request: dict[str, Any]) -> Answer:
    import resource

    yield Result(
        {
            "pid": os.getpid(),
            "environment": dict(os.environ),
            "folder": str(Path.cwd()),
            "memory": resource.getrlimit(resource.RLIMIT_DATA)[0],
            "session": os.getsid(0),
        }
    )


def handle(request: dict[str, Any]) -> Answer:
    return globals()[request["do"]](request)  # type: ignore[no-any-return]


if __name__ == "__main__":
    serve(handle)
