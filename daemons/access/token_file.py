"""The file by which this machine's commands come in."""

import os
import secrets
from pathlib import Path

from daemons.errors import Fatal

TOKEN_PREFIX = "dd_"  # noqa: S105 - what tells our tokens from other programs' in a leak scan


def new_token() -> str:
    """Return a secret that nobody guesses."""
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


def read_or_make_token(path: Path) -> str:
    """Return the token in `path`, which is made for this user alone. Raises Fatal for a link or an empty file."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        if path.is_symlink():
            raise Fatal(f"{path} is a link to another file.", remedy="Delete it.") from None
        path.chmod(0o600)
        if token := path.read_text("utf-8").strip():
            return token
        raise Fatal(f"{path} is empty.", remedy="Delete it; a new token is made at the next start.") from None
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        token = new_token()
        file.write(token + "\n")
    return token
