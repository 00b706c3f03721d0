"""Calls that change descriptions, and what they refuse."""

from pathlib import Path

import httpx2

from daemons.service import Service
from tests.web.test_descriptions import describe
from web.api.describe import DescriptionDetailShape, DescriptionShape


async def described(program: httpx2.AsyncClient, service: Service, path: bytes = b"a.jpg") -> str:
    """Have one image described and return the address of its description."""
    await describe(service, path)
    return f"/api/descriptions/{(await program.get('/api/descriptions')).json()['items'][0]['id']}"


async def test_an_edit_is_made_once_and_shown_with_its_history(program: httpx2.AsyncClient, service: Service) -> None:
    url = await described(program, service)

    edited = await program.patch(url, json={"description": "Ada.", "revision": 1})
    stale = await program.patch(url, json={"description": "Eve.", "revision": 1})
    shown = (await program.get(url)).json()

    DescriptionShape.model_validate(edited.json())
    DescriptionDetailShape.model_validate(shown)
    assert (stale.status_code, stale.json()["error"]["expected"], stale.json()["error"]["actual"]) == (409, 1, 2)
    assert (shown["description"], shown["edited_by"] is not None) == ("Ada.", True)
    assert [version["description"] for version in shown["history"]] == ["A small red picture."]
    restored = await program.post(f"{url}/restore", json={"version": 1, "revision": 2})
    assert restored.json()["description"] == "A small red picture."


async def test_a_file_is_described_again_by_whom_one_likes(program: httpx2.AsyncClient, service: Service) -> None:
    url = await described(program, service)

    first = await program.post(f"{url}/redo")
    twice = await program.post(f"{url}/redo")
    other = await program.post(f"{url}/redo", json={"describer": "local", "model": "tiny", "prompt": "What is it?"})

    assert first.status_code == twice.status_code == other.status_code == 202
    assert (first.json()["type"], first.json()["args"]["again"]) == ("describe_batch", True)
    assert (other.json()["args"]["describer"], other.json()["args"]["model"]) == ("local", "tiny")


async def test_many_are_described_again_only_when_they_are_chosen(
    program: httpx2.AsyncClient, service: Service
) -> None:
    for number in range(3):
        await described(program, service, f"{number}.jpg".encode())
    url = "/api/descriptions/redo"

    assert (await program.post(url)).json()["error"]["code"] == "ERR_NO_CHOICE"
    assert (await program.post(f"{url}?q=nothing")).json()["error"]["code"] == "ERR_NO_DESCRIPTIONS"
    assert (await program.post(f"{url}?q=red", json={"dry_run": True})).json() == {"files": 3, "jobs": 1, "job_ids": []}
    done = await program.post(f"{url}?q=red")
    assert (done.status_code, done.json()["files"], len(done.json()["job_ids"])) == (202, 3, 1)
    assert (await program.post(url, json={"all": True, "describer": "basic"})).json()["files"] == 3


NONSENSE: list[tuple[str, str, dict[str, object], int]] = [
    ("PATCH", "", {"description": ""}, 422),
    ("PATCH", "", {"description": " "}, 422),
    ("PATCH", "", {"description": "x" * 10_001}, 422),
    ("PATCH", "", {"description": 5}, 422),
    ("PATCH", "", {"description": "x", "revision": "new"}, 422),
    ("POST", "/restore", {"version": 7}, 404),
    ("POST", "/redo", {"describer": "nobody"}, 422),
    ("POST", "/redo", {"describer": "vision"}, 422),
    ("POST", "/redo", {"model": "smol"}, 422),
    ("POST", "/redo", {"describer": "basic", "model": "smol"}, 422),
    ("POST", "/redo", {"describer": "local", "model": "x", "temperature": 9}, 422),
]


async def test_what_makes_no_sense_is_refused(program: httpx2.AsyncClient, service: Service) -> None:
    url = await described(program, service)

    for method, path, body, status in NONSENSE:
        assert (await program.request(method, url + path, json=body)).status_code == status, (path, body)
        lost = await program.request(method, f"/api/descriptions/nobody{path}", json=body)
        assert lost.status_code in (404, 422), (path, body)


async def test_sidecars_are_written_beside_the_images_at_once_and_by_jobs(
    program: httpx2.AsyncClient, service: Service, tmp_path: Path
) -> None:
    for name in ("1.jpg", "2.jpg"):
        (tmp_path / name).write_bytes(b"an image")
        await describe(service, name.encode(), "Two <dogs>.", folder=bytes(tmp_path))
    await describe(service, b"gone.jpg", folder=bytes(tmp_path))
    [_, _, first] = (await program.get("/api/descriptions")).json()["items"]

    one = await program.post(f"/api/descriptions/{first['id']}/sidecar")
    lost = await program.post("/api/descriptions/nobody/sidecar")
    dry = await program.post("/api/descriptions/sidecar?q=dogs", json={"dry_run": True})
    many = await program.post(f"/api/descriptions/sidecar?folder={tmp_path}", json={"merge": True})
    job = await service.orders.wait(many.json()["job_ids"][0])

    assert (one.json(), lost.status_code) == ({"path": "1.jpg.xmp"}, 404)
    assert (dry.json()["files"], many.status_code, many.json()["files"]) == (2, 202, 3)
    assert (job.state, job.result) == ("completed", {"written": 2, "refused": {"ERR_FILE_MISSING": 1}})
    assert sorted(path.name for path in tmp_path.glob("*.xmp")) == ["1.jpg.xmp", "2.jpg.xmp"]
    assert "Two &lt;dogs&gt;." in (tmp_path / "2.jpg.xmp").read_text()
    assert (await program.post("/api/descriptions/sidecar")).json()["error"]["code"] == "ERR_NO_CHOICE"
