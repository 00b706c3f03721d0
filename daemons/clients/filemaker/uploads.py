"""A file as a container field takes it."""

import re

from daemons.text import clean

NAME_CHARACTERS = 200
_MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+")
_UNFIT = re.compile(r'["\\/:]')


def form_of(name: str, content: bytes, media_type: str) -> tuple[bytes, dict[str, str]]:
    """Return a form with one file, and the headers that go with it. What a name cannot hold is left out of it."""
    boundary = "daemondeck"
    while boundary.encode() in content:
        boundary += "-x"
    file_name = _UNFIT.sub("_", clean(name, NAME_CHARACTERS)) or "file"
    kind = media_type if _MEDIA_TYPE.fullmatch(media_type) else "application/octet-stream"
    head = (
        f"--{boundary}\r\n"
        f'Content-Disposition: form-data; name="upload"; filename="{file_name}"\r\n'
        f"Content-Type: {kind}\r\n\r\n"
    )
    body = head.encode() + content + f"\r\n--{boundary}--\r\n".encode()
    return body, {"Content-Type": f"multipart/form-data; boundary={boundary}"}
