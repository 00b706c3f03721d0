"""Copies onto a disk that is small, full, and read-only at last. A program of its own for test_copying.py."""

import hashlib
import subprocess
import sys
from pathlib import Path

from daemons.workflows.polling.library import INCOMING, copy_into
from daemons.workflows.polling.library_errors import LibraryFull, LibraryReadOnly


def tell_how_it_fails(library: Path, source: Path) -> str:
    try:
        copy_into(library, bytes(source), hashlib.sha256(source.read_bytes()).hexdigest(), lambda: None)
    except (LibraryFull, LibraryReadOnly) as error:
        return error.error_code
    return "copied"


def main(library: Path, folder: Path) -> None:
    large, small = folder / "large.bin", folder / "small.bin"
    large.write_bytes(b"l" * 3_000_000)
    small.write_bytes(b"s" * 100_000)
    assert tell_how_it_fails(library, large) == "ERR_LIBRARY_FULL"
    assert not list((library / INCOMING).iterdir()), "what cannot be finished takes no space"

    # Space that is there at first, and is not any more.
    with (library / "somebody else's").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            pass
    assert tell_how_it_fails(library, small) == "ERR_LIBRARY_FULL"
    (library / "somebody else's").unlink()
    assert tell_how_it_fails(library, small) == "copied"

    subprocess.run(["mount", "-o", "remount,ro", str(library)], check=True)
    (folder / "other.bin").write_bytes(b"o")
    assert tell_how_it_fails(library, folder / "other.bin") == "ERR_LIBRARY_READ_ONLY"
    assert tell_how_it_fails(library, small) == "copied", "what is there needs no writing"


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
    sys.stdout.write("all told\n")
