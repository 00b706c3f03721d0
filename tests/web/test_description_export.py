"""Descriptions as files."""

import csv
import io
import json

import httpx2
import pytest

from daemons.service import Service
from tests.web.test_descriptions import describe
from web.api import description_export

URL = "/api/descriptions/export"


async def test_every_format_holds_all_that_match(
    program: httpx2.AsyncClient, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(description_export, "PAGE", 4)
    for number in range(10):
        await describe(service, f"{number}.jpg".encode(), f"A red picture, number {number}.", {"width": number})
    listed = (await program.get("/api/descriptions?limit=500")).json()["items"]

    whole = await program.get(f"{URL}?format=json")
    lines = await program.get(f"{URL}?format=jsonl&q=number+7")
    table = list(csv.DictReader(io.StringIO((await program.get(URL)).text)))

    assert whole.headers["content-disposition"] == 'attachment; filename="descriptions.json"'
    assert whole.json() == listed
    assert [json.loads(line) for line in lines.text.splitlines()] == [
        item for item in listed if item["path"].startswith("7")
    ]
    assert [row["path"] for row in table] == [item["path"] for item in listed]
    assert (table[0]["description"], table[0]["width"]) == ("A red picture, number 9.", "9")


async def test_no_spreadsheet_takes_a_description_for_a_formula(program: httpx2.AsyncClient, service: Service) -> None:
    await describe(service, b"=1.jpg", '@SUM(1),"x"\n-2')

    [row] = csv.DictReader(io.StringIO((await program.get(URL)).text))

    assert (row["path"], row["description"]) == ("'=1.jpg", '\'@SUM(1),"x"\n-2')


async def test_nothing_is_a_file_too_and_nonsense_is_none(program: httpx2.AsyncClient) -> None:
    assert (await program.get(f"{URL}?format=json")).json() == []
    assert (await program.get(f"{URL}?format=jsonl")).text == ""
    assert (await program.get(URL)).text.startswith("id,folder,path,")
    assert (await program.get(f"{URL}?format=xml")).status_code == 422
    assert (await program.get(f"{URL}?colour=blurple")).status_code == 422
