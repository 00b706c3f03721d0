"""Makes thumbnails on a disk that somebody else has filled. A program of its own for test_thumbnails.py."""

import asyncio
import sys
from hashlib import sha256
from pathlib import Path

from daemons.clock import SystemClock
from daemons.pictures.thumbnails import Source, Thumbnails
from daemons.subprocess_work.pool import WorkerPool


async def main(disk: Path, picture: Path) -> None:
    clock = SystemClock()
    source = Source(bytes(picture), sha256(picture.read_bytes()).hexdigest())
    foreign = disk / "somebody else's"
    with foreign.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            pass
    async with WorkerPool(clock) as pool, Thumbnails(pool, clock, disk / "thumbnails", 10**9) as thumbnails:
        assert (await thumbnails.get(source))[:4] == b"RIFF", "the picture is shown although it cannot be kept"
        [finding] = thumbnails.findings()
        assert finding.code == "ERR_THUMBNAILS_NOT_KEPT"
        assert "No space left" in finding.message, finding.message
        assert not [file for file in disk.rglob("*") if file.suffix in (".tmp", ".webp")], "nothing is left behind"

        foreign.unlink()
        await thumbnails.get(source)
        assert thumbnails.findings() == []
        assert len(list(disk.rglob("*.webp"))) == 1


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
    sys.stdout.write("healed\n")
