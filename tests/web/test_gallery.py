"""The gallery: what is chosen is in the address, each picture has a page, and what people write is never lost."""

from pathlib import Path

import httpx2

from daemons.errors import ErrorInfo
from daemons.service import Service
from daemons.workflows.describe.keeper import DescriptionKeeper, FileStamp, Finding, Way, record
from tests.pictures.samples import landscape, saved

BASIC, TINY = Way(b"/photos", "basic"), Way(b"/photos", "local", "tiny")
EVIL = "<script>alert(1)</script> ‮ 🦩 'x\"y"
FACTS = {
    "width": 1200,
    "height": 800,
    "camera": EVIL,
    "palette": [{"name": "teal", "hex": '"><script>alert(2)</script>', "share": 0.9}],
}


async def describe(service: Service, name: str, words: str | None = "A hill.", way: Way = BASIC) -> str:
    """Have one image described, or fail without words; return its id."""
    error = None if words else ErrorInfo("ERR_IMAGE_DAMAGED", "It is damaged.", None, "Copy it again.")
    finding = Finding(FileStamp(name.encode(), 1, 1), 0.5, "0" * 64 if words else None, FACTS, words, error)
    await service.database.write(lambda tx: record(tx, way, finding, "a-job"))
    page = await service.keepers.get(DescriptionKeeper).list(limit=1)
    return str(page.items[0].id)


async def test_what_is_chosen_can_be_taken_away_again(browser: httpx2.AsyncClient, service: Service) -> None:
    await describe(service, "a.jpg", "A red barn.")
    await describe(service, "b.jpg", "A barn at night.", TINY)
    await describe(service, "c.jpg", None)

    everything = (await browser.get("/descriptions")).text
    chosen = (await browser.get("/descriptions?q=barn&describer=local&taken_after=&state=done")).text

    assert [name in everything for name in ("a.jpg", "b.jpg", "c.jpg")] == [True] * 3
    assert 'href="/descriptions?describer=basic"' in everything
    assert 'href="/descriptions?code=ERR_IMAGE_DAMAGED"' in everything
    assert [name in chosen for name in ("a.jpg", "b.jpg", "c.jpg")] == [False, True, False]
    assert 'href="/descriptions?describer=local&amp;state=done"' in chosen
    assert 'href="/descriptions?q=barn&amp;state=done"' in chosen


async def test_the_view_is_remembered(browser: httpx2.AsyncClient, service: Service) -> None:
    await describe(service, "a.jpg")

    first, asked, then = [(await browser.get(f"/descriptions{query}")).text for query in ("", "?view=list", "")]

    assert 'class="gallery grid"' in first
    assert 'class="gallery list"' in asked
    assert 'class="gallery list"' in then


async def test_neighbours_are_those_of_the_choice_one_came_from(browser: httpx2.AsyncClient, service: Service) -> None:
    words = ("A hill.", "A sea.", "A hill.", "A hill.")
    ids = [await describe(service, f"{at}.jpg", sentence) for at, sentence in enumerate(words)]
    gallery = "/descriptions?q=hill"

    came = await browser.get(f"/descriptions/{ids[2]}", headers={"Referer": f"http://127.0.0.1:8420{gallery}"})
    page = (await browser.get(came.headers["location"])).text
    foreign = await browser.get(f"/descriptions/{ids[2]}", headers={"Referer": f"http://evil.example{gallery}"})
    last = (await browser.get(f"/descriptions/{ids[0]}?q=hill")).text

    assert (came.status_code, came.headers["location"]) == (303, f"/descriptions/{ids[2]}?q=hill")
    assert f'rel="prev" href="/descriptions/{ids[3]}?q=hill"' in page
    assert f'rel="next" href="/descriptions/{ids[0]}?q=hill"' in page
    assert f'rel="next" href="/descriptions/{ids[1]}?"' in foreign.text
    assert 'rel="next"' not in last


async def test_a_page_shows_everything_and_nothing_of_it_as_markup(
    browser: httpx2.AsyncClient, service: Service
) -> None:
    mine = await describe(service, f"{EVIL}.jpg", EVIL)
    await describe(service, f"{EVIL}.jpg", "Somebody else's words.", TINY)
    await browser.post(f"/descriptions/{mine}/edit", data={"description": f"{EVIL} by hand", "revision": "1"})

    page = (await browser.get(f"/descriptions/{mine}")).text

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; ‮ 🦩" in page
    assert "Somebody else&#39;s words." in page
    assert page.count("Say this again") == 2  # seen, and read out with its revision
    assert "?size=large" not in page
    assert "size=large" in page


async def test_of_two_people_who_edit_neither_loses_words(browser: httpx2.AsyncClient, service: Service) -> None:
    one = await describe(service, "a.jpg")
    edit = f"/descriptions/{one}/edit"
    first = await browser.post(edit, data={"description": "The first one's words.", "revision": "1"})

    second = await browser.post(edit, data={"description": "Mine\r\nin two lines.", "revision": "1"})
    anyway = await browser.post(edit, data={"description": "Mine\r\nin two lines.", "revision": "2"})

    assert first.status_code == 303
    assert second.status_code == 409
    assert "The first one&#39;s words." in second.text
    assert "Mine\nin two lines.</textarea>" in second.text
    assert 'name="revision" value="2"' in second.text
    assert anyway.status_code == 303
    told = (await browser.get(f"/descriptions/{one}")).text
    assert "Mine\nin two lines." in told
    assert "The first one&#39;s words." in told


WRONG: list[tuple[str, dict[str, str], int]] = [
    ("edit", {"description": "  ", "revision": "1"}, 422),
    ("edit", {"description": "x" * 30_000, "revision": "1"}, 422),
    ("edit", {"description": "Words.", "revision": "many"}, 422),
    ("edit", {"words": "Words."}, 422),
    ("restore", {"version": "7"}, 404),
    ("restore", {}, 422),
    ("redo", {"describer": "oracle"}, 422),
    ("redo", {"describer": "vision"}, 422),
    ("redo", {"describer": "basic", "model": "tiny"}, 422),
]


async def test_a_wrong_form_is_refused_with_what_was_typed(browser: httpx2.AsyncClient, service: Service) -> None:
    one = await describe(service, "a.jpg")
    for command, form, status in WRONG:
        answer = await browser.post(f"/descriptions/{one}/{command}", data=form)

        assert answer.status_code == status, (command, form)
        assert command != "edit" or form.get("description", "") in answer.text


async def test_describing_again_leads_to_its_job(browser: httpx2.AsyncClient, service: Service) -> None:
    one = await describe(service, "a.jpg")

    again = await browser.post(f"/descriptions/{one}/redo")
    other = await browser.post(f"/descriptions/{one}/redo", data={"describer": "local", "model": "tiny", "prompt": ""})

    assert [answer.status_code for answer in (again, other)] == [303, 303]
    jobs = [await service.jobs.get(answer.headers["location"].rpartition("/")[2]) for answer in (again, other)]
    assert [(job.args["describer"], job.args["model"]) for job in jobs] == [("basic", ""), ("local", "tiny")]


async def test_who_may_only_look_sees_no_buttons(onlooker: httpx2.AsyncClient, service: Service) -> None:
    one = await describe(service, "a.jpg")

    page = (await onlooker.get(f"/descriptions/{one}")).text
    refused = await onlooker.post(f"/descriptions/{one}/edit", data={"description": "Mine.", "revision": "1"})

    assert "/redo" not in page
    assert "/edit" not in page
    assert refused.status_code == 403


async def test_look_alikes_stand_together(browser: httpx2.AsyncClient, service: Service) -> None:
    assert "No two images look alike" in (await browser.get("/descriptions/groups")).text


async def test_a_sidecar_is_written_once_and_not_over_another_programs(
    browser: httpx2.AsyncClient, service: Service, tmp_path: Path
) -> None:
    saved(landscape(), tmp_path / "a.jpg")
    one = await describe(service, "a.jpg", "A hill.", Way(bytes(tmp_path), "basic"))
    sidecar = tmp_path / "a.jpg.xmp"
    sidecar.write_text('<x:xmpmeta xmlns:x="adobe:ns:meta/"/>')

    refused = await browser.post(f"/descriptions/{one}/sidecar")
    sidecar.unlink()
    written = await browser.post(f"/descriptions/{one}/sidecar")

    assert refused.status_code == 409
    assert "What to do:" in refused.text
    assert "a.jpg.xmp" in written.text
    assert "A hill." in sidecar.read_text()


async def test_a_card_names_its_file_before_its_folder(browser: httpx2.AsyncClient, service: Service) -> None:
    await describe(service, "2021 Alps/day 1/alps_01.jpg")

    page = (await browser.get("/descriptions")).text

    assert ">alps_01.jpg</a>" in page
    assert '<span class="root">/photos/</span><span class="below">2021 Alps/day 1</span>' in page
