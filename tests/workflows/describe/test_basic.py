"""What `basic` says about a picture, and about what is none."""

import hashlib
import os
import random
import struct
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageFilter

from daemons.pictures.content import ensure_unchanged, opened, read_content
from daemons.pictures.facts import Coordinates
from daemons.pictures.image_errors import FileChanged, ImageError
from daemons.workflows.describe.basic import Described, describe_file
from tests.pictures.samples import Rational, busy, canon_in_berlin, landscape, saved


def described(image: Image.Image, path: Path, **options: object) -> Described:
    return describe_file(saved(image, path, **options))


def failure(path: bytes | Path) -> ImageError:
    with pytest.raises(ImageError) as caught:
        describe_file(bytes(path))
    return caught.value


# The sentence.


def test_a_photograph_is_described_in_one_sentence(tmp_path: Path) -> None:
    picture = described(landscape(), tmp_path / "a.jpg", exif=canon_in_berlin())

    assert picture.description == (
        "A landscape-format photograph, mostly steel blue and white, sharp, "
        "taken on 3 May 2021 with a Canon EOS 80D near 52.52° N, 13.40° E."
    )


@pytest.mark.parametrize(
    ("image", "sentence"),
    [
        (Image.new("RGB", (1, 1), "white"), "A single pixel, entirely white."),
        (Image.new("RGB", (16, 16), "black"), "A tiny square image of 16 × 16 pixels, entirely black."),
        (Image.new("RGBA", (100, 200), (0, 0, 0, 0)), "A portrait-format image, entirely transparent."),
        (Image.new("L", (900, 300), 128), "A panoramic image, entirely grey."),
        (Image.radial_gradient("L"), "A black-and-white square image, mostly light grey and grey, soft."),
    ],
)
def test_the_sentence_says_no_more_than_is_known(image: Image.Image, sentence: str, tmp_path: Path) -> None:
    assert described(image, tmp_path / "a.png").description == sentence


def test_an_animation_says_how_many_frames_it_has(tmp_path: Path) -> None:
    frames = [busy(seed, 300, 200) for seed in range(5)]

    picture = described(frames[0], tmp_path / "a.gif", save_all=True, append_images=frames[1:])

    assert picture.description.startswith("An animated landscape-format image of 5 frames, ")
    assert (picture.facts.is_animated, picture.facts.frames) == (True, 5)


def test_a_dark_blurred_picture_is_called_so(tmp_path: Path) -> None:
    dim = busy().filter(ImageFilter.GaussianBlur(12)).point(lambda value: value * 0.25)

    assert "dark and soft" in described(dim, tmp_path / "a.png").description


def test_a_partly_transparent_picture_is_judged_by_what_shows(tmp_path: Path) -> None:
    image = Image.new("RGBA", (200, 200), (0, 0, 0, 0))
    image.paste((224, 27, 27, 255), (0, 0, 200, 120))

    picture = described(image, tmp_path / "a.png")

    assert [colour.name for colour in picture.facts.looks.palette] == ["red"]
    assert "entirely red, partly transparent" in picture.description


# The facts.


def test_the_camera_s_notes_become_facts(tmp_path: Path) -> None:
    shot = described(landscape(), tmp_path / "a.jpg", exif=canon_in_berlin()).facts.shot

    assert (shot.taken_at, shot.camera, shot.lens) == ("2021-05-03T14:03:22+02:00", "Canon EOS 80D", "EF 50mm f/1.8")
    assert (shot.exposure_seconds, shot.aperture, shot.iso, shot.focal_length) == (0.004, 2.8, 200, 50)
    assert (shot.coordinates, shot.altitude) == (Coordinates(52.52, 13.4), 34)


@pytest.mark.parametrize(
    ("maker", "model", "camera"),
    [
        ("NIKON CORPORATION", "NIKON D750", "Nikon D750"),
        ("OLYMPUS IMAGING CORP.", "E-M10", "Olympus E-M10"),
        ("Apple", "iPhone 12", "Apple iPhone 12"),
        ("SAMSUNG\x00\x00", " SM-G991B\x1b[2J ", "Samsung SM-G991B [2J"),
        ("", "COOLPIX", "COOLPIX"),
    ],
)
def test_cameras_are_named_as_people_name_them(maker: str, model: str, camera: str, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = maker, model

    assert described(landscape(), tmp_path / "a.jpg", exif=exif).facts.shot.camera == camera


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif"])
def test_a_picture_is_measured_the_way_it_is_seen(ending: str, tmp_path: Path) -> None:
    facts = described(busy(), tmp_path / f"a.{ending}", exif=canon_in_berlin(orientation=6)).facts
    seen = described(busy().transpose(Image.Transpose.ROTATE_270), tmp_path / f"b.{ending}").facts

    assert (facts.width, facts.height, facts.orientation) == (800, 1200, "portrait")
    assert distance(facts.looks.perceptual_hash, seen.looks.perceptual_hash) <= 2


@pytest.mark.parametrize(
    ("ending", "mode"),
    [
        ("jpg", "CMYK"),
        ("jpg", "L"),
        ("png", "P"),
        ("png", "1"),
        ("png", "LA"),
        ("png", "RGBA"),
        ("png", "I;16"),
        ("tif", "F"),
        ("tif", "I"),
        ("bmp", "RGB"),
        ("webp", "RGBA"),
        ("avif", "RGB"),
        ("gif", "P"),
    ],
)
def test_every_kind_of_pixel_is_measured(ending: str, mode: str, tmp_path: Path) -> None:
    grey = busy(width=2400, height=1600).convert("L")
    wide = {"I;16": 257, "I": 70_000, "F": 1 / 255}
    if mode in wide:
        grey = grey.convert("F" if mode == "F" else "I").point(lambda value: value * wide[mode] + 0)

    facts = described(grey.convert(mode), tmp_path / f"a.{ending}").facts

    assert (facts.width, facts.height) == (2400, 1600)
    assert facts.looks.brightness == pytest.approx(0.5, abs=0.12)
    assert facts.looks.is_monochrome


def test_blur_lowers_sharpness_step_by_step(tmp_path: Path) -> None:
    blurred = [busy().filter(ImageFilter.GaussianBlur(radius)) for radius in (0, 2, 5, 12)]

    sharpness = [described(image, tmp_path / "a.png").facts.looks.sharpness or 0 for image in blurred]

    assert sharpness == sorted(sharpness, reverse=True)
    assert sharpness[0] > 0.5 > 0.1 > sharpness[-1]


def test_similar_pictures_have_similar_hashes(tmp_path: Path) -> None:
    def hash_of(image: Image.Image, name: str, **options: object) -> str:
        return described(image, tmp_path / name, **options).facts.looks.perceptual_hash

    original = hash_of(busy(1), "a.png")

    assert distance(original, hash_of(busy(1).resize((600, 400)), "b.jpg", quality=40)) <= 4
    assert distance(original, hash_of(busy(2), "c.png")) > 12


def test_facts_are_json_without_what_is_unknown(tmp_path: Path) -> None:
    facts = described(landscape(), tmp_path / "a.png").facts.as_dict()

    assert facts["palette"][0]["name"] == "steel blue"
    assert "camera" not in facts
    assert None not in facts.values()


def test_the_hash_is_that_of_the_content(tmp_path: Path) -> None:
    path = saved(busy(), tmp_path / "a.jpg")

    content = describe_file(path).content

    file = Path(os.fsdecode(path))
    assert content.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert (content.size, content.mtime_ns) == (file.stat().st_size, file.stat().st_mtime_ns)


@pytest.mark.parametrize("name", [b"-rf", b"new\nline.jpg", b"\xff\xfe.jpg", b"$(x);.jpg", b" .jpg"])
def test_no_name_is_too_strange(name: bytes, tmp_path: Path) -> None:
    strange = bytes(tmp_path) + b"/" + name
    landscape().save(tmp_path / "a.jpg")
    (tmp_path / "a.jpg").rename(os.fsdecode(strange))

    assert describe_file(strange).description.startswith("A landscape-format image")


# EXIF that makes no sense.


def _nonsense_date(exif: Image.Exif) -> None:
    exif.get_ifd(0x8769)[0x9003] = "0000:00:00 00:00:00"


def _zero_island(exif: Image.Exif) -> None:
    exif.get_ifd(0x8825)[2] = exif.get_ifd(0x8825)[4] = (Rational(0), Rational(0), Rational(0))


def _division_by_zero(exif: Image.Exif) -> None:
    exif.get_ifd(0x8769)[0x829A] = Rational(0, 0)
    exif.get_ifd(0x8825)[2] = (Rational(52, 0), Rational(0, 0), Rational(0, 0))


def _beyond_the_pole(exif: Image.Exif) -> None:
    exif.get_ifd(0x8825)[2] = (Rational(91), Rational(0), Rational(0))


def _no_hemisphere(exif: Image.Exif) -> None:
    del exif.get_ifd(0x8825)[1]


@pytest.mark.parametrize(
    ("spoil", "left_out"),
    [
        (_nonsense_date, "taken_at"),
        (_zero_island, "coordinates"),
        (_division_by_zero, "exposure_seconds"),
        (_division_by_zero, "coordinates"),
        (_beyond_the_pole, "coordinates"),
        (_no_hemisphere, "coordinates"),
    ],
)
def test_nonsense_is_left_out_and_the_rest_kept(
    spoil: Callable[[Image.Exif], None], left_out: str, tmp_path: Path
) -> None:
    exif = canon_in_berlin()
    spoil(exif)

    facts = described(landscape(), tmp_path / "a.jpg", exif=exif).facts.as_dict()

    assert left_out not in facts
    assert facts["camera"] == "Canon EOS 80D"


@pytest.mark.parametrize("seed", range(30))
def test_exif_of_random_bytes_harms_nothing(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    exif = bytearray(canon_in_berlin().tobytes())
    for _ in range(seed):
        exif[chance.randrange(14, len(exif))] = chance.randrange(256)

    assert described(landscape(), tmp_path / "a.jpg", exif=bytes(exif)).facts.width == 1200


# What is no picture.


def _cut(path: Path, share: float) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "bmp", "gif"])
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_truncated_image_is_told_from_a_damaged_one(ending: str, share: float, tmp_path: Path) -> None:
    path = tmp_path / f"a.{ending}"
    busy(width=600, height=400).save(path)

    assert failure(_cut(path, share)).error_code == "ERR_IMAGE_TRUNCATED"


def test_a_damaged_image_keeps_what_the_decoder_said(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    busy().save(path)
    data = bytearray(path.read_bytes())
    data[1000:3000] = bytes(2000)
    path.write_bytes(data)

    error = failure(path)

    assert (error.error_code, bool(error.info().detail)) == ("ERR_IMAGE_DAMAGED", True)


def _png_header(width: int, height: int) -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = b"IDAT" + zlib.compress(bytes(1000))
    chunks = (header, pixels, b"IEND")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks
    )


@pytest.mark.parametrize("edge", [15_000, 50_000])
def test_a_giant_is_refused_before_it_is_decoded(edge: int, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(_png_header(edge, edge))

    error = failure(path)

    assert (error.error_code, bool(error.remedy)) == ("ERR_IMAGE_TOO_LARGE", True)


def test_a_photograph_of_a_hundred_megapixels_is_no_giant(tmp_path: Path) -> None:
    assert described(Image.new("L", (12_000, 9_000), 128), tmp_path / "a.jpg").facts.width == 12_000


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (b"", "ERR_NOT_AN_IMAGE", "is empty"),
        (b"Dear diary,\ntoday", "ERR_NOT_AN_IMAGE", "like text"),
        (bytes(4096), "ERR_NOT_AN_IMAGE", "zeros"),
        (b"<!DOCTYPE html><title>404</title>", "ERR_NOT_AN_IMAGE", "a web page"),
        (b"%PDF-1.7", "ERR_NOT_AN_IMAGE", "a PDF"),
        (b'<svg xmlns="">', "ERR_NOT_AN_IMAGE", "SVG"),
        (b"\x00\x00\x00\x18ftypisom", "ERR_NOT_AN_IMAGE", "a film"),
        (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic", "ERR_IMAGE_UNSUPPORTED", "HEIC"),
        (b"II*\x00\x10\x00\x00\x00CR\x02\x00", "ERR_IMAGE_UNSUPPORTED", "Canon raw"),
        (b"\xff\xd8\xff", "ERR_IMAGE_TRUNCATED", "cut off"),
        (b"BM" + bytes(60), "ERR_IMAGE_DAMAGED", "damaged"),
        (b"\x01\x02\x03SIMPLE", "ERR_NOT_AN_IMAGE", "no format known"),
    ],
)
def test_what_a_file_holds_instead_is_said(content: bytes, code: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(content)

    error = failure(path)

    assert error.error_code == code
    assert words in error.message
    assert error.remedy


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("ending", ["jpg", "png", "gif", "tif", "webp", "bmp"])
def test_random_damage_ends_in_facts_or_a_named_failure(ending: str, seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    path = tmp_path / f"a.{ending}"
    busy(width=60, height=40).save(path)
    data = bytearray(path.read_bytes())
    for _ in range(1 + seed // 4):
        data[chance.randrange(len(data))] = chance.randrange(256)
    path.write_bytes(data)

    try:
        assert describe_file(bytes(path)).description
    except ImageError as error:
        assert error.error_code.startswith("ERR_")


# What is no file.


def test_what_is_not_a_regular_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "link.jpg").symlink_to(saved(landscape(), tmp_path / "a.jpg").decode())

    codes = {failure(tmp_path / f"{name}.jpg").error_code for name in ("pipe", "folder", "link")}

    assert codes | {failure(b"/dev/null").error_code} == {"ERR_NOT_A_FILE"}


@pytest.mark.parametrize("name", [b"gone.jpg", b"x" * 5000, b"nul\x00.jpg", b"a.jpg/b.jpg"])
def test_a_file_that_is_gone_is_missing(name: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"")

    assert failure(bytes(tmp_path) + b"/" + name).error_code == "ERR_FILE_MISSING"


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes somebody else, which only root can")
def test_a_file_of_somebody_else_is_unreadable() -> None:
    script = (
        "import sys\n"
        "from daemons.workflows.describe.basic import describe_file\n"
        "from daemons.pictures.image_errors import ImageError\n"
        "import os; os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "try: describe_file(os.fsencode(sys.argv[1]))\n"
        "except ImageError as error: sys.exit(error.error_code)"
    )
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = Path(folder) / "a.jpg"
        landscape().save(path)
        path.chmod(0o600)

        ended = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True)

    assert ended.stderr.strip() == "ERR_FILE_UNREADABLE"


def test_a_file_exchanged_while_it_is_read_is_read_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    landscape().save(path)
    before = hashlib.sha256(path.read_bytes()).hexdigest()

    with opened(bytes(path)) as file:
        busy().save(tmp_path / "b.png")
        (tmp_path / "b.png").replace(path)
        content = read_content(file)

    assert content.sha256 == before


def test_a_file_written_to_while_it_is_read_is_a_named_failure(tmp_path: Path) -> None:
    path = tmp_path / "a.png"

    with opened(saved(landscape(), path)) as file:
        content = read_content(file)
        with path.open("ab") as writer:
            writer.write(b"more")

        with pytest.raises(FileChanged):
            ensure_unchanged(file, content)


def distance(one: str, other: str) -> int:
    return (int(one, 16) ^ int(other, 16)).bit_count()
