"""Paths are bytes on disk and text in JSON; both ways, whatever the bytes."""

import os
import re

_ESCAPE = re.compile(r"\\(\\|x[0-9a-f]{2})")


def joined(folder: bytes, path: bytes) -> bytes:
    """Return where `path`, relative to `folder`, is; pathlib knows no bytes."""
    return os.path.join(folder, path) if path else folder  # noqa: PTH118


def wire_path(path: bytes) -> str:
    """Return `path` as text that any JSON carries: bytes that are not UTF-8 become \\xNN, a backslash two."""
    return path.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")


def disk_path(text: str) -> bytes:
    """Return the bytes that `wire_path` made `text` of."""
    parts = _ESCAPE.split(text)
    return b"".join(_unescaped(part) if at % 2 else part.encode("utf-8") for at, part in enumerate(parts))


def _unescaped(escape: str) -> bytes:
    return b"\\" if escape == "\\" else bytes([int(escape[1:], 16)])
