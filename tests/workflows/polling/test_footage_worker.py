"""Reading films in a worker process: what is found out, what is written, and what of clips that are not well."""

import os
import random
import shutil
from array import array
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image

from daemons.clock import SystemClock
from daemons.errors import DaemonError, Permanent
from daemons.subprocess_work import Worker
from daemons.subprocess_work.errors import WorkerError, WorkerHung, WorkerTaskFailed
from daemons.subprocess_work.pool import WorkerPool
from daemons.worker_process import Result
from daemons.workflows.polling.film.errors import HOPELESS
from daemons.workflows.polling.footage_worker import FOOTAGE_WORKER, handle
from tests.workflows.polling.clips import filmed, wired

RED, YELLOW, GREEN, BLUE, MAGENTA, CYAN = (2, 0, 0), (2, 2, 0), (0, 1, 0), (0, 0, 2), (2, 0, 2), (0, 2, 2)
PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"
CONCATENATION = b"ffconcat version 1.0\nfile '/etc/passwd'\n"


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Film six seconds, each of another colour, with a tone."""
    return filmed(tmp_path_factory.mktemp("clips") / "clip.mov")


def asked(do: str, path: bytes, **more: Any) -> list[Any]:
    """Return what is answered, here in this process."""
    return [message.value for message in handle({"do": do, "path": wired(path), **more}) if isinstance(message, Result)]


def probed(path: bytes) -> dict[str, Any]:
    (facts,) = asked("probe", path)
    assert isinstance(facts, dict)
    return facts


def frames(path: bytes, folder: Path, *seconds: float, edge: int = 1280) -> list[Any]:
    wanted = [{"seconds": at, "to": wired(folder / f"{at:g}.jpg")} for at in seconds]
    return asked("frames", path, frames=wanted, edge=edge)


def colour(path: Path) -> tuple[int, ...]:
    """Return the colour of the clip's picture, rounded."""
    with Image.open(path) as image:
        found = image.getpixel((image.width * 3 // 4, image.height // 2))
    assert isinstance(found, tuple)
    return tuple(round(part / 128) for part in found)


async def test_a_clip_is_probed_in_a_process_of_its_own(clip: bytes, tmp_path: Path) -> None:
    strange = os.fsencode(tmp_path) + b"/--help \xff\n.mov"
    shutil.copyfile(clip, strange)

    async with Worker(FOOTAGE_WORKER, SystemClock()) as worker:
        (facts,) = [found async for found in worker.run({"do": "probe", "path": wired(strange)})]

    assert facts["sha256"] == sha256(Path(os.fsdecode(clip)).read_bytes()).hexdigest()
    assert (facts["container"], facts["codec"], facts["file_type"]) == ("mov", "mpeg4", "video/quicktime")
    assert (facts["duration"], facts["fps"], facts["is_variable_rate"]) == (6.0, 5.0, False)
    assert (facts["width"], facts["height"], facts["rotation"]) == (64, 48, 0)
    assert facts["has_audio"] and facts["audio"][0]["rate"] == 16_000


async def test_a_clip_on_which_decoding_hangs_ends_the_process_and_nothing_else(clip: bytes) -> None:
    # However quick the machine is, Python does not start within a millisecond.
    async with Worker(replace(FOOTAGE_WORKER, silence=0.001), SystemClock()) as worker:
        with pytest.raises(WorkerHung) as hung:
            _ = [found async for found in worker.run({"do": "probe", "path": wired(clip)})]

    assert hung.value.error_code == "ERR_WORKER_HUNG"


@pytest.mark.parametrize(
    ("container", "codec", "file_type"),
    [
        ("mp4", "libx264", "video/mp4"),
        ("matroska", "libx264", "video/x-matroska"),
        ("webm", "libvpx-vp9", "video/webm"),
        ("mpegts", "libx264", "video/mp2t"),
        ("avi", "mpeg4", "video/x-msvideo"),
    ],
)
def test_other_containers_are_read_too(container: str, codec: str, file_type: str, tmp_path: Path) -> None:
    path = filmed(tmp_path / "clip", container=container, codec=codec)

    facts = probed(path)
    found = frames(path, tmp_path, 2.5)

    assert facts["file_type"] == file_type
    assert facts["duration"] == pytest.approx(6.0, abs=0.3)
    assert colour(tmp_path / "2.5.jpg") == GREEN, found


def test_a_film_without_a_length_is_read_through_to_find_it(tmp_path: Path) -> None:
    # As a browser records: no length, no index.
    path = filmed(tmp_path / "a.webm", 3, container="webm", codec="libvpx-vp9", options={"live": "1"})

    assert probed(path)["duration"] == pytest.approx(3.0, abs=0.3)
    assert "error" not in frames(path, tmp_path, 1.5)[0]


def test_a_single_frame_is_a_film_of_hardly_any_length(tmp_path: Path) -> None:
    facts = probed(filmed(tmp_path / "a.mov", times=[0.0], sound=None))

    assert 0 <= facts["duration"] < 1
    assert "error" not in frames(os.fsencode(tmp_path / "a.mov"), tmp_path, 0)[0]


@pytest.mark.parametrize("container", ["mov", "matroska"])
def test_a_variable_rate_is_told_and_frames_are_found_by_their_time(container: str, tmp_path: Path) -> None:
    times = [0.0, 0.1, 0.15, 0.9, 1.0, 1.6, 2.2, 2.25, 2.3, 3.0, 4.5, 4.6, 5.9]

    path = filmed(tmp_path / "a", times=times, container=container)

    assert probed(path)["is_variable_rate"]
    frames(path, tmp_path, 1.7, 2.19, 4.4, 4.5)
    # What is shown then began before.
    found = [colour(tmp_path / f"{at:g}.jpg") for at in (1.7, 2.19, 4.4, 4.5)]
    assert found == [YELLOW, YELLOW, BLUE, MAGENTA]


def test_frames_are_upright_square_and_bounded(tmp_path: Path) -> None:
    turned = filmed(tmp_path / "turned.mov", 1, size=(64, 48), rotation=90, codec="libx264")
    wide = filmed(tmp_path / "wide.mov", 1, size=(64, 48), aspect=Fraction(2, 1))

    (upright,), (square,), (small,) = (
        frames(turned, tmp_path / "turned", 0.5),
        frames(wide, tmp_path / "wide", 0.5),
        frames(wide, tmp_path / "small", 0.5, edge=32),
    )

    assert (upright["width"], upright["height"]) == (48, 64)
    assert (probed(turned)["width"], probed(turned)["height"]) == (48, 64)
    assert (square["width"], square["height"]) == (128, 48)
    assert (small["width"], small["height"]) == (32, 12)


def test_frames_appear_whole_and_nothing_else_is_left(clip: bytes, tmp_path: Path) -> None:
    found = frames(clip, tmp_path / "below" / "frames", 0, 1.5, 5.9)
    again = frames(clip, tmp_path / "below" / "frames", 0, 1.5, 5.9)

    assert found == again
    files = sorted((tmp_path / "below" / "frames").iterdir())
    assert [file.name for file in files] == ["0.jpg", "1.5.jpg", "5.9.jpg"]
    assert [sha256(file.read_bytes()).hexdigest() for file in files] == [one["sha256"] for one in found]
    assert [colour(file) for file in files] == [RED, YELLOW, CYAN]


def test_the_sound_between_two_moments_is_one_channel_of_speech(clip: bytes, tmp_path: Path) -> None:
    (made,) = asked("sound", clip, to=wired(tmp_path / "a.flac"), begin=1.0, end=3.5)
    (rest,) = asked("sound", clip, to=wired(tmp_path / "b.flac"), begin=3.5, end=100.0)

    assert (made["seconds"], rest["seconds"]) == (pytest.approx(2.5, abs=0.1), pytest.approx(2.5, abs=0.1))
    assert made["seconds"] + rest["seconds"] == pytest.approx(5.0, abs=0.05)
    assert made["peak"] > 0.1
    with av.open(str(tmp_path / "a.flac")) as sound:
        (stream,) = sound.streams.audio
        assert (stream.rate, stream.channels, stream.codec_context.name) == (16_000, 1, "flac")
        assert max(max(array("h", bytes(frame.planes[0]))) for frame in sound.decode(stream)) > 1000


def test_silence_is_told(tmp_path: Path) -> None:
    path = filmed(tmp_path / "a.mov", 2, sound=0.0)

    (made,) = asked("sound", path, to=wired(tmp_path / "a.flac"), begin=0.0, end=100.0)

    assert made["peak"] == 0 and made["seconds"] == pytest.approx(2, abs=0.1)


TAGS = {
    "title": " Ferry\x07 at dawn ",
    "artist": "A. Nonymous",
    "comment": "Taken from\nthe pier",
    "creation_time": "2019-07-04T05:06:07Z",
    "keywords": "ferry, dawn,ferry,, harbour",
    "location": "+52.5163+013.3777+034.5/",
    "model": "Pixel 3",
    "make": "Google",
    "timecode": "01:02:03:04",
}


def test_what_a_film_says_of_itself_is_kept_clean(tmp_path: Path) -> None:
    facts = probed(filmed(tmp_path / "a.mkv", 1, container="matroska", tags=TAGS))

    assert facts["title"] == "Ferry␇ at dawn"
    assert facts["creator"] == "A. Nonymous" and facts["caption"].startswith("Taken from")
    assert facts["taken_at"] == "2019-07-04T05:06:07+00:00"
    assert facts["keywords"] == ["ferry", "dawn", "harbour"]
    assert (facts["latitude"], facts["longitude"]) == (52.5163, 13.3777)
    assert (facts["camera"], facts["timecode"]) == ("Google Pixel 3", "01:02:03:04")


@pytest.mark.parametrize("date", ["1904-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "0000-00-00", "yesterday", ""])
def test_a_date_that_no_clock_was_set_to_is_none(date: str, tmp_path: Path) -> None:
    assert "taken_at" not in probed(filmed(tmp_path / "a.mkv", 1, container="matroska", tags={"creation_time": date}))


def hostile(folder: Path) -> Iterator[tuple[str, bytes, str]]:
    """Yield files that are no films, with what is to be said of each."""
    whole = filmed(folder / "whole.mov")
    data = Path(os.fsdecode(whole)).read_bytes()
    flv = Path(os.fsdecode(filmed(folder / "whole.mkv", container="matroska"))).read_bytes()
    for name, content, code in (
        ("empty.mov", b"", "ERR_NOT_FOOTAGE"),
        ("text.mov", b"Dear diary,\n" * 500, "ERR_NOT_FOOTAGE"),
        ("playlist.mov", PLAYLIST, "ERR_NOT_FOOTAGE"),
        ("list.mov", CONCATENATION, "ERR_NOT_FOOTAGE"),
        ("noise.mov", bytes(range(256)) * 400, "ERR_NOT_FOOTAGE"),
        ("cut.mov", data[: len(data) // 2], "ERR_FOOTAGE_TRUNCATED"),
        ("head.mkv", flv[:100], "ERR_FOOTAGE_DAMAGED"),
    ):
        (folder / name).write_bytes(content)
        yield name, os.fsencode(folder / name), code
    yield "sound.mov", filmed(folder / "sound.mov", picture=False), "ERR_NO_VIDEO"
    (folder / "link.mov").symlink_to(folder / "whole.mov")
    yield "link.mov", os.fsencode(folder / "link.mov"), "ERR_NOT_A_FILE"
    os.mkfifo(folder / "pipe.mov")
    yield "pipe.mov", os.fsencode(folder / "pipe.mov"), "ERR_NOT_A_FILE"
    yield "nowhere.mov", os.fsencode(folder / "nowhere.mov"), "ERR_FILE_MISSING"


def test_what_is_no_film_is_refused_with_what_to_do(tmp_path: Path) -> None:
    for name, path, code in hostile(tmp_path):
        with pytest.raises(DaemonError) as refused:
            probed(path)

        assert (name, refused.value.error_code) == (name, code)
        assert refused.value.remedy and len(refused.value.message) > 10
        assert isinstance(refused.value, Permanent) == (code in HOPELESS and code != "ERR_NOT_A_FILE")


def test_of_a_film_that_is_cut_off_the_frames_that_are_there_are_written(tmp_path: Path) -> None:
    whole = filmed(tmp_path / "whole.mov", options={"movflags": "faststart"}, size=(320, 240), sound=None)
    data = Path(os.fsdecode(whole)).read_bytes()
    (tmp_path / "cut.mov").write_bytes(data[: len(data) * 6 // 10])

    first, last = frames(os.fsencode(tmp_path / "cut.mov"), tmp_path, 0.5, 5.5)

    assert "error" not in first and last["error"]["code"] == "ERR_FOOTAGE_TRUNCATED"
    assert not (tmp_path / "5.5.jpg").exists()


def test_damage_in_the_middle_costs_no_other_frame(tmp_path: Path) -> None:
    whole = filmed(tmp_path / "whole.mkv", container="matroska", codec="libx264", look=noisy, sound=None)
    data = bytearray(Path(os.fsdecode(whole)).read_bytes())
    data[len(data) // 2 : len(data) // 2 + 400] = b"\xff" * 400
    (tmp_path / "bad.mkv").write_bytes(data)

    found = frames(os.fsencode(tmp_path / "bad.mkv"), tmp_path, 0.5, 3, 5.5)

    assert "error" not in found[0]


def noisy(second: float, width: int, height: int) -> Image.Image:
    return Image.effect_noise((width, height), 90).convert("RGB")


def test_a_folder_that_cannot_be_written_is_not_the_films_fault(clip: bytes, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(DaemonError) as refused:
        asked("frames", clip, frames=[{"seconds": 1.0, "to": wired(tmp_path / "file" / "a.jpg")}], edge=100)

    assert refused.value.error_code == "ERR_FILE_NOT_WRITTEN"
    assert not isinstance(refused.value, Permanent)


async def test_without_the_library_the_line_to_type_is_told(clip: bytes, tmp_path: Path) -> None:
    # Found before the library, and as good as none.
    (tmp_path / "av.py").write_text("raise ModuleNotFoundError(\"No module named 'av'\", name='av')")
    without = replace(FOOTAGE_WORKER, command=(*FOOTAGE_WORKER.command[:1], "-c", bare(tmp_path)))

    async with Worker(without, SystemClock()) as worker:
        with pytest.raises(WorkerTaskFailed) as failed:
            _ = [found async for found in worker.run({"do": "probe", "path": wired(clip)})]

    assert failed.value.error_code == "ERR_FOOTAGE_NOT_INSTALLED"
    assert failed.value.remedy == "pip install 'daemondeck[footage]'"


def bare(folder: Path) -> str:
    return (
        f"import sys; sys.path.insert(0, {str(folder)!r})\n"
        "from daemons.worker_process import serve\n"
        "from daemons.workflows.polling.footage_worker import handle\n"
        "serve(handle)"
    )


def mangled(data: bytes, chance: random.Random) -> bytes:
    """Return `data` with a few bytes others, missing or too many, most of them where films tell of themselves."""
    made = bytearray(data)
    for _ in range(chance.choice((1, 3, 10, 50))):
        at = chance.choice(
            (chance.randrange(len(made)), chance.randrange(min(len(made), 2000)), -chance.randrange(1, 9))
        )
        match chance.randrange(3):
            case 0:
                made[at] = chance.choice((0, 127, 128, 255))
            case 1:
                del made[at : at + chance.randrange(1, 64)]
            case _:
                made[at:at] = chance.randbytes(chance.randrange(1, 16))
        made = made or bytearray(b"-")
    return bytes(made)


async def test_however_a_film_is_mangled_there_is_an_answer(clip: bytes, tmp_path: Path) -> None:
    chance, file = random.Random(20_261_127), tmp_path / "a.mov"
    films = [
        Path(os.fsdecode(path)).read_bytes()
        for path in (clip, filmed(tmp_path / "a", 1.5, container="matroska", codec="libx264", sound=0.3))
    ]
    whole, codes = 0, set()

    async with WorkerPool(SystemClock()) as pool:
        for number in range(60):
            file.write_bytes(mangled(films[number % 2], chance))
            wanted = [{"seconds": at, "to": wired(tmp_path / "a.jpg")} for at in (0.1, 1.2)]
            try:
                async with pool.borrow(FOOTAGE_WORKER) as worker:
                    _ = [found async for found in worker.run({"do": "probe", "path": wired(file)})]
                    request = {"do": "frames", "path": wired(file), "frames": wanted, "edge": 64}
                    _ = [found async for found in worker.run(request)]
                whole += 1
            except WorkerError as error:
                codes.add(error.error_code)

    # Some are read all the same, and of the others each is known for what it is.
    assert whole and codes <= {*HOPELESS, "ERR_WORKER_OUT_OF_MEMORY", "ERR_WORKER_KILLED"}, codes
