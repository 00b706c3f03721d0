"""Described images: the calls, the page, and what sockets are told of them."""

import httpx2

from daemons.database.transaction import Transaction
from daemons.service import Service
from daemons.workflows.describe.keeper import FileStamp, Finding, Way, record
from tests.web.served import Served, next_frame
from web.api.describe import DescriptionPage, DescriptionShape, FacetsShape, GroupPage


async def describe(
    service: Service,
    path: bytes,
    sentence: str = "A small red picture.",
    facts: dict[str, object] | None = None,
    folder: bytes = b"/photos",
) -> None:
    """Have one image described."""
    way = Way(folder, "basic")

    def unit(tx: Transaction) -> None:
        record(tx, way, Finding(FileStamp(path, 1, 1), 0.5, description=sentence, facts=facts or {}), "a-job")

    await service.database.write(unit)


async def test_they_are_listed_newest_first_in_pages(program: httpx2.AsyncClient, service: Service) -> None:
    for number in range(3):
        await describe(service, f"{number}.jpg".encode())

    first = (await program.get("/api/descriptions?limit=2")).json()
    second = (await program.get("/api/descriptions", params={"limit": 2, "cursor": first["next"]})).json()

    DescriptionPage.model_validate(first)
    assert [item["path"] for item in first["items"] + second["items"]] == ["2.jpg", "1.jpg", "0.jpg"]
    assert second["next"] is None


async def test_one_is_found_by_its_id(program: httpx2.AsyncClient, service: Service) -> None:
    await describe(service, b"\xff<b>.jpg")
    listed = (await program.get("/api/descriptions")).json()["items"][0]

    found = (await program.get(f"/api/descriptions/{listed['id']}")).json()

    assert found == {**listed, "history": [], "others": []}
    assert (await program.get("/api/descriptions/nothing")).status_code == 404


async def test_alike_ones_and_what_can_be_chosen_are_told(program: httpx2.AsyncClient, service: Service) -> None:
    for number in range(3):
        await describe(service, f"{number}.jpg".encode(), facts={"perceptual_hash": "0f" * 8})
    id = (await program.get("/api/descriptions")).json()["items"][0]["id"]

    first = (await program.get("/api/descriptions", params={"similar_to": id, "limit": 1})).json()
    second = (await program.get("/api/descriptions", params={"similar_to": id, "cursor": first["next"]})).json()
    groups = (await program.get("/api/descriptions/groups")).json()
    facets = (await program.get("/api/descriptions/facets?folder=/photos")).json()

    DescriptionPage.model_validate(first)
    GroupPage.model_validate(groups)
    FacetsShape.model_validate(facets)
    alike = first["items"] + second["items"]
    assert [(item["path"], item["distance"]) for item in alike] == [("1.jpg", 0), ("0.jpg", 0)]
    assert [group["count"] for group in groups["items"]] == [3]
    assert facets["describers"] == [{"value": "basic", "count": 3}]
    assert (await program.get("/api/descriptions?similar_to=nobody")).status_code == 404
    assert (await program.get(f"/api/descriptions?similar_to={id}&cursor=MQ==")).status_code == 422


async def test_a_wrong_question_is_refused(program: httpx2.AsyncClient) -> None:
    wrong = "state=sleeping colour=blurple hue=red taken_after=1620000000 gone=maybe folder=%00 edited=2 limit=0 "
    wrong += f"cursor=nonsense cursor=bm9uc2Vuc2U= q={'a' * 10_000}"
    asked = [f"{path}?{query}" for path in ("/descriptions", "/api/descriptions") for query in wrong.split()]

    assert {query: (await program.get(query)).status_code for query in asked} == dict.fromkeys(asked, 422)


async def test_the_page_shows_them_escaped(browser: httpx2.AsyncClient, service: Service) -> None:
    await describe(service, b"<b>.jpg", "It says <script>alert(1)</script>.")

    page = (await browser.get("/descriptions?state=done")).text

    assert "&lt;b&gt;.jpg" in page
    assert "<script>alert" not in page


async def test_sockets_are_told_of_each(served: Served) -> None:
    async with served.client("/api/events?topics=descriptions") as events, served.client("/live") as live:
        await next_frame(events, lambda frame: frame["type"] == "heartbeat")
        await next_frame(live)
        await describe(served.service, b"new.jpg")
        told = await next_frame(events)
        drawn = await next_frame(live, lambda frame: frame["type"] == "rows")

    assert (told["topic"], told["type"], told["data"]["path"]) == ("descriptions", "item", "new.jpg")
    DescriptionShape.model_validate(told["data"])
    assert f"i-{told['data']['id']}" in drawn["content"]
