"""Pictures as they are sent: only images, only those of the rows, only below their folder, and never as a page."""

import asyncio
import io
import os
from hashlib import sha256
from pathlib import Path

import httpx2
import pytest
from PIL import Image

from daemons.database.transaction import Transaction
from daemons.service import Service
from daemons.workflows.describe.keeper import DescriptionFilter, DescriptionKeeper, FileStamp, Finding, Way, record
from tests.pictures.samples import busy, saved
from tests.web.served import SECONDS, Served

HTML = b"<!doctype html><script>alert(1)</script>"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    return folder


async def described(service: Service, folder: Path, name: bytes, digest: str | None = None) -> str:
    """Have a file described, as it is now or with another hash; return the description's id."""
    full = os.path.join(bytes(folder), name)  # noqa: PTH118
    known = FileStamp(name, 1, 1)
    if digest is None:
        stamp = os.stat(full)  # noqa: PTH116
        known = FileStamp(name, stamp.st_size, stamp.st_mtime_ns)
        digest = sha256(Path(os.fsdecode(full)).read_bytes()).hexdigest()
    finding = Finding(known, 0.1, digest, {}, "Something.")

    def unit(tx: Transaction) -> None:
        record(tx, Way(bytes(folder), "basic"), finding, "a-job")

    await service.database.write(unit)
    page = await service.keepers.get(DescriptionKeeper).list(DescriptionFilter(gone="all"), limit=1)
    return str(page.items[0].id)


async def test_a_thumbnail_is_kept_by_browsers_under_the_name_of_its_bytes(
    program: httpx2.AsyncClient, service: Service, photos: Path
) -> None:
    saved(busy(), photos / "a.jpg")
    one = (await program.get(f"/api/descriptions/{await described(service, photos, b'a.jpg')}")).json()

    answer = await program.get(one["thumbnail"])
    again = await program.get(one["thumbnail"], headers={"If-None-Match": answer.headers["ETag"]})
    unnamed = await program.get(one["thumbnail"].partition("?")[0])

    assert Image.open(io.BytesIO(answer.content)).size == (384, 256)
    assert answer.headers["Content-Type"] == "image/webp"
    assert answer.headers["Cache-Control"] == "private, max-age=604800, immutable"
    assert answer.headers["ETag"] == f'"{one["sha256"]}"'
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert (again.status_code, again.content) == (304, b"")
    assert unnamed.headers["Cache-Control"] == "private, no-cache"


async def test_a_page_gets_an_empty_frame_where_programs_hear_what_is_wrong(
    program: httpx2.AsyncClient, service: Service, photos: Path
) -> None:
    (photos / "a.jpg").write_bytes(HTML)
    url = f"/api/descriptions/{await described(service, photos, b'a.jpg')}/thumbnail"

    frame = await program.get(url, headers={"Accept": "image/avif,image/webp,*/*;q=0.8"})
    told = await program.get(url)

    assert (frame.status_code, frame.headers["Content-Type"]) == (200, "image/svg+xml")
    assert (told.status_code, told.json()["error"]["code"]) == (404, "ERR_NOT_AN_IMAGE")


async def test_an_image_is_sent_whole_in_part_or_not_again(
    program: httpx2.AsyncClient, service: Service, photos: Path
) -> None:
    name = 'a "b"; é\n.jpg'
    saved(busy(), photos / name)
    content = (photos / name).read_bytes()
    url = f"/api/descriptions/{await described(service, photos, name.encode())}/image"

    whole = await program.get(url)
    tag = whole.headers["ETag"]
    part = await program.get(url, headers={"Range": "bytes=10-19", "If-Range": tag})
    beyond = await program.get(url, headers={"Range": "bytes=99999999-"})
    again = await program.get(url, headers={"If-None-Match": f'"x", W/{tag}'})
    saved_as = await program.get(f"{url}?download=true")

    assert (whole.content, whole.headers["Content-Type"]) == (content, "image/jpeg")
    assert tag == f'"{sha256(content).hexdigest()}"'
    assert whole.headers["Content-Disposition"] == "inline; filename*=utf-8''a%20_b_%3B%20%C3%A9_.jpg"
    assert whole.headers["X-Content-Type-Options"] == "nosniff"
    assert whole.headers["Content-Security-Policy"].startswith("default-src 'none'; sandbox, ")
    assert (part.status_code, part.content) == (206, content[10:20])
    assert beyond.status_code == 416
    assert (again.status_code, again.content) == (304, b"")
    assert saved_as.headers["Content-Disposition"].startswith("attachment;")


async def test_an_image_that_changed_is_not_sent_under_the_hash_of_the_old_one(
    program: httpx2.AsyncClient, service: Service, photos: Path
) -> None:
    saved(busy(1), photos / "a.png")
    description = await described(service, photos, b"a.png")
    was = (await program.get(f"/api/descriptions/{description}/image")).headers["ETag"]
    saved(busy(2), photos / "a.png")

    now = await program.get(f"/api/descriptions/{description}/image", headers={"If-None-Match": was})

    assert now.status_code == 200
    assert now.headers["ETag"] != was


async def test_what_browsers_do_not_show_is_sent_as_a_copy_or_as_a_file(
    program: httpx2.AsyncClient, service: Service, photos: Path
) -> None:
    saved(busy(), photos / "a.tif")
    (photos / "b.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64))
    scan = f"/api/descriptions/{await described(service, photos, b'a.tif')}/image"
    photograph = f"/api/descriptions/{await described(service, photos, b'b.heic')}/image"

    shown, saved_as = await program.get(scan), await program.get(f"{scan}?download=true")
    refused, also_saved = await program.get(photograph), await program.get(f"{photograph}?download=true")

    assert (shown.headers["Content-Type"], Image.open(io.BytesIO(shown.content)).size) == ("image/webp", (1200, 800))
    assert saved_as.content == (photos / "a.tif").read_bytes()
    assert saved_as.headers["Content-Type"] == "application/octet-stream"
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "ERR_IMAGE_UNSUPPORTED")
    assert also_saved.content == (photos / "b.heic").read_bytes()


async def test_nothing_else_is_ever_sent(
    program: httpx2.AsyncClient, service: Service, photos: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    secret = saved(busy(), outside / "secret.jpg")
    (photos / "page.jpg").write_bytes(HTML)
    (photos / "drawing.png").write_bytes(b'<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>')
    (photos / "link.jpg").symlink_to(os.fsdecode(secret))
    (photos / "links").symlink_to(outside)
    (photos / "folder.jpg").mkdir()
    os.mkfifo(photos / "pipe.jpg")
    (photos / "closed").mkdir(mode=0o000)
    expected = {
        b"page.jpg": (409, "ERR_NOT_AN_IMAGE"),
        b"drawing.png": (409, "ERR_NOT_AN_IMAGE"),
        b"link.jpg": (409, "ERR_NOT_A_FILE"),
        b"links/secret.jpg": (409, "ERR_NOT_A_FILE"),
        b"folder.jpg": (409, "ERR_NOT_A_FILE"),
        b"pipe.jpg": (409, "ERR_NOT_A_FILE"),
        b"../outside/secret.jpg": (404, "ERR_FILE_MISSING"),
        b"/etc/passwd": (404, "ERR_FILE_MISSING"),
        b"links/../../outside/secret.jpg": (409, "ERR_NOT_A_FILE"),
        b"nothing.jpg": (404, "ERR_FILE_MISSING"),
        b"page.jpg/x": (409, "ERR_NOT_A_FILE"),
        b"": (404, "ERR_FILE_MISSING"),
    }
    for name, (status, code) in expected.items():
        description = await described(service, photos, name, digest="0" * 64)

        for query in ("", "?download=true"):
            answer = await program.get(f"/api/descriptions/{description}/image{query}")

            assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), name
            assert answer.json()["error"]["remedy"], name
        thumbnail = await program.get(f"/api/descriptions/{description}/thumbnail")
        assert thumbnail.status_code == 404, name


async def test_a_folder_that_is_away_is_named(program: httpx2.AsyncClient, service: Service, photos: Path) -> None:
    saved(busy(), photos / "a.jpg")
    description = await described(service, photos, b"a.jpg")
    photos.rename(photos.with_name("elsewhere"))

    answer = await program.get(f"/api/descriptions/{description}/image")

    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "ERR_FOLDER_MISSING")


async def test_pictures_that_nobody_waits_for_are_not_made(served: Served, photos: Path) -> None:
    saved(busy(), photos / "a.jpg")
    picture = (photos / "a.jpg").read_bytes()
    ids = []
    for name in ("long.jpg", "longer.jpg"):  # they keep busy whoever makes pictures small
        with (photos / name).open("wb") as file:
            file.truncate(200 * 1024 * 1024)
        ids.append(await described(served.service, photos, name.encode(), digest="0" * 64))
    for number in range(30):
        (photos / f"{number}.jpg").write_bytes(picture + bytes([number]))  # the same to see, and other bytes
        ids.append(await described(served.service, photos, f"{number}.jpg".encode()))
    head = f"HTTP/1.1\r\nHost: {served.host}\r\nAuthorization: Bearer {served.token}\r\n\r\n"
    asked = [await served.raw(f"GET /api/descriptions/{one}/thumbnail {head}") for one in ids]
    *left, (reader, writer) = asked
    for _, other in left:
        other.transport.abort()

    async with asyncio.timeout(SECONDS):
        assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
    writer.close()

    made = len(list((served.service.settings.data_dir / "thumbnails").glob("??/*.webp")))
    assert made < 15


async def test_a_large_file_does_not_pass_through_memory_and_an_asker_may_leave(served: Served, photos: Path) -> None:
    saved(busy(), photos / "huge.bmp")
    with (photos / "huge.bmp").open("r+b") as file:
        file.truncate(500 * 1024 * 1024)
    description = await described(served.service, photos, b"huge.bmp", digest="0" * 64)
    before = _memory()

    reader, writer = await served.raw(
        f"GET /api/descriptions/{description}/image HTTP/1.1\r\nHost: {served.host}\r\n"
        f"Authorization: Bearer {served.token}\r\n\r\n"
    )
    head = await reader.readuntil(b"\r\n\r\n")
    for _ in range(64):
        await reader.readexactly(256 * 1024)
    grown = _memory() - before
    writer.close()

    assert b"content-length: 524288000" in head.lower()
    assert grown < 40 * 1024 * 1024
    async with httpx2.AsyncClient(timeout=SECONDS) as client:
        answer = await client.get(f"http://{served.host}/healthz")
    assert answer.status_code == 200


def _memory() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
