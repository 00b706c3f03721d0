"""How a folder is described, and what describing one of its files came to."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from daemons.errors import ErrorInfo
from daemons.values import JsonValue

ORIGINS = ("describer", "copy", "hand", "import")
"""A describer made it, it was taken over from a file of the same content, a person wrote it, an import brought it."""


_USUAL_MODELS = {"local": "smolvlm"}


class FileStamp(NamedTuple):
    """A file as it was seen: if size and time of change are the same, its content is taken to be."""

    path: bytes
    size: int
    mtime_ns: int


class FolderOptions(Protocol):
    """The part of a daemon's options that says what is described, and how."""

    @property
    def directory(self) -> Path | None: ...

    @property
    def describer(self) -> str: ...

    @property
    def model(self) -> str: ...

    def ask(self) -> dict[str, JsonValue]:
        """Return what a model is asked, as arguments of a batch."""
        ...


@dataclass(frozen=True, slots=True)
class Way:
    """How a folder is described: the same file described in another way is another description."""

    folder: bytes
    describer: str
    model: str = ""

    @classmethod
    def of(cls, options: FolderOptions, model: str = "") -> "Way | None":
        """Return how a daemon with these options describes its folder, None while it has none.

        `model` is the one that is asked where the options name none.
        """
        if options.directory is None:
            return None
        named = "" if options.describer == "basic" else options.model or _USUAL_MODELS.get(options.describer, model)
        return cls(folder_of(options.directory), options.describer, named)

    @property
    def key(self) -> str:
        """What the rows of all its files share."""
        return _digest(self.folder, self.describer.encode(), self.model.encode())[:32]

    def digest(self, path: bytes) -> str:
        """Return what a file's row is found by."""
        return _digest(self.folder, path, self.describer.encode(), self.model.encode())

    def file_digest(self, path: bytes) -> str:
        """Return what all rows of a file share, however it was described."""
        return _digest(self.folder, path)


@dataclass(frozen=True, slots=True)
class Finding:
    """What describing one file came to: facts and a description, or an error."""

    stamp: FileStamp
    seconds: float | None
    sha256: str | None = None
    facts: dict[str, JsonValue] | None = None
    description: str | None = None
    error: ErrorInfo | None = None
    prompt_hash: str | None = None
    finish: str | None = None
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    origin: str = "describer"
    copied_from: str | None = None

    @property
    def state(self) -> str:
        return "failed" if self.error else "done"

    def searched_by(self) -> dict[str, Any]:
        """Return of the facts what descriptions are searched by."""
        facts = self.facts or {}
        palette, spots = facts.get("palette"), facts.get("perceptual_hash")
        foremost = palette[0] if isinstance(palette, list) and palette else None
        return {
            "taken_at": facts.get("taken_at"),
            "colour": foremost["name"] if isinstance(foremost, dict) else None,
            "perceptual_hash": _as_number(spots) if isinstance(spots, str) else None,
        }


def folder_of(directory: Path) -> bytes:
    """Return a folder as descriptions keep it."""
    return bytes(directory.expanduser().absolute())


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(len(part).to_bytes(4, "big") + part for part in parts)).hexdigest()


def _as_number(spots: str) -> int:
    return int.from_bytes(bytes.fromhex(spots), "big", signed=True)
