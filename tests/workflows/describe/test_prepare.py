"""The picture that is handed to a model: upright, on white, small, and nothing but pixels."""

import base64
import io
import random
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from daemons.clock import SystemClock
from daemons.folders.paths import wire_path
from daemons.subprocess_work import Worker
from daemons.worker_process import LINE_LIMIT, Result
from daemons.workflows.describe.prepare import JPEG_BYTES
from daemons.workflows.describe.worker import handle
from daemons.workflows.describe.worker_specs import BASIC_WORKER
from tests.pictures.samples import STEEL_BLUE, busy, canon_in_berlin, landscape, saved

WHITE = (255, 255, 255)


def told(path: bytes, describer: str = "prepare") -> dict[str, Any]:
    request = {"describer": describer, "paths": [wire_path(path)]}
    (result,) = (message.value for message in handle(request) if isinstance(message, Result))
    return result  # type: ignore[no-any-return]


def opened(result: dict[str, Any]) -> Image.Image:
    data = base64.b64decode(result["jpeg"], validate=True)
    assert len(data) <= JPEG_BYTES
    image = Image.open(io.BytesIO(data), formats=["JPEG"])
    image.load()
    assert image.mode == "RGB"
    assert 32 <= min(image.size) <= max(image.size) <= 1024
    return image


def prepared(image: Image.Image, path: Path, **options: object) -> Image.Image:
    return opened(told(saved(image, path, **options)))


def is_near(image: Image.Image, place: tuple[float, float], colour: tuple[int, int, int]) -> bool:
    """Whether the pixel at `place`, in shares of the edges, has about that colour."""
    seen = image.getpixel((round(image.width * place[0]), round(image.height * place[1])))
    assert isinstance(seen, tuple)
    return max(abs(a - b) for a, b in zip(seen, colour, strict=True)) < 12


@pytest.mark.parametrize(
    ("orientation", "sky"),
    [(1, (0.5, 0.1)), (3, (0.5, 0.9)), (6, (0.9, 0.5)), (8, (0.1, 0.5)), (5, (0.1, 0.5)), (7, (0.9, 0.5))],
)
def test_it_is_seen_as_the_camera_was_held(orientation: int, sky: tuple[float, float], tmp_path: Path) -> None:
    image = prepared(landscape(2400, 1600), tmp_path / "a.jpg", exif=canon_in_berlin(orientation), quality=95)

    assert image.size == ((1024, 683) if orientation in (1, 3) else (683, 1024))
    assert is_near(image, sky, STEEL_BLUE)
    assert not is_near(image, (1 - sky[0], 1 - sky[1]), STEEL_BLUE)


def test_no_note_of_the_camera_or_its_owner_is_handed_on(tmp_path: Path) -> None:
    path = saved(
        landscape(), tmp_path / "a.jpg", exif=canon_in_berlin(), comment=b"taken by Ada", icc_profile=b"x" * 99
    )

    image = opened(told(path))

    assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    assert not image.getexif()


@pytest.mark.parametrize("ending", ["png", "webp", "gif"])
def test_what_is_transparent_lies_on_white(ending: str, tmp_path: Path) -> None:
    image = Image.new("RGBA", (200, 200), (0, 0, 0, 0))
    image.paste((224, 27, 27, 255), (0, 0, 200, 100))

    seen = prepared(image, tmp_path / f"a.{ending}")

    assert is_near(seen, (0.5, 0.2), (224, 27, 27))
    assert is_near(seen, (0.5, 0.8), WHITE)


@pytest.mark.parametrize(
    ("ending", "mode"), [("jpg", "CMYK"), ("png", "I;16"), ("png", "P"), ("tif", "F"), ("png", "1")]
)
def test_every_kind_of_pixel_becomes_plain_colour(ending: str, mode: str, tmp_path: Path) -> None:
    image = landscape(1500, 1000)
    if mode in ("I;16", "F"):
        image = image.convert("L").convert("I").point(lambda value: value * 257 + 0)
    source = image.convert(mode, dither=Image.Dither.NONE)

    seen = prepared(source, tmp_path / f"a.{ending}")

    assert seen.size == (1024, 683)
    assert is_near(seen, (0.5, 0.9), (250, 250, 250))
    assert not is_near(seen, (0.5, 0.1), (250, 250, 250))


@pytest.mark.parametrize("mode", ["P", "1"])
def test_fine_lines_of_few_colours_are_averaged_and_not_left_out(mode: str, tmp_path: Path) -> None:
    stripes = Image.frombytes("L", (2048, 512), bytes([0, 255] * 1024) * 512).convert(mode)

    seen = prepared(stripes, tmp_path / "a.png")

    assert is_near(seen, (0.3, 0.5), (128, 128, 128))


def test_noise_is_made_to_fit(tmp_path: Path) -> None:
    noise = Image.frombytes("RGB", (1600, 1600), random.Random(1).randbytes(1600 * 1600 * 3))

    assert prepared(noise, tmp_path / "a.png").size == (1024, 1024)


@pytest.mark.parametrize(
    ("size", "expected"),
    [((1, 1), (32, 32)), ((5000, 1), (1024, 32)), ((3, 40), (33, 440)), ((12_000, 9_000), (1024, 768))],
)
def test_no_size_is_too_strange(size: tuple[int, int], expected: tuple[int, int], tmp_path: Path) -> None:
    seen = prepared(Image.new("L", size, 40), tmp_path / "a.png")

    assert seen.size == expected
    darkest, _ = seen.convert("L").getextrema()
    assert darkest == pytest.approx(40, abs=40)


def test_it_tells_all_that_basic_tells(tmp_path: Path) -> None:
    path = saved(busy(), tmp_path / "a.jpg", exif=canon_in_berlin(6))

    prepared, basic = told(path), told(path, "basic")

    assert prepared.keys() - basic.keys() == {"jpeg"}
    assert {key: prepared[key] for key in basic if key != "seconds"} == {
        key: value for key, value in basic.items() if key != "seconds"
    }


async def test_a_worker_sends_the_largest_of_them(tmp_path: Path) -> None:
    noise = Image.frombytes("RGB", (1024, 1024), random.Random(2).randbytes(1024 * 1024 * 3))
    paths = [wire_path(saved(noise, tmp_path / "a.png")), wire_path(bytes(tmp_path / "gone.jpg"))]

    async with Worker(BASIC_WORKER, SystemClock()) as worker:
        first, second = [result async for result in worker.run({"describer": "prepare", "paths": paths})]

    assert opened(first).size == (1024, 1024)
    assert len(first["jpeg"]) < 700_000 < LINE_LIMIT
    assert second["error"]["code"] == "ERR_FILE_MISSING"
