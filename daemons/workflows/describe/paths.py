"""Paths are bytes on disk and text in JSON; both ways, whatever the bytes."""


def wire_path(path: bytes) -> str:
    """Return `path` as text that JSON carries; bytes that are not UTF-8 become lone surrogates."""
    return path.decode("utf-8", "surrogateescape")


def disk_path(text: str) -> bytes:
    """Return the bytes that `wire_path` made `text` of."""
    return text.encode("utf-8", "surrogateescape")
