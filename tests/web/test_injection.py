"""What is asked for reaches the database as values, never as words of a statement."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from web.api.calls import Call
from web.app import CALLS

MARK = "zqxj7"
PAYLOADS = [
    f"{MARK}' OR '1'='1",
    f'{MARK}" OR 1=1 --',
    f"{MARK}'; DROP TABLE jobs; --",
    f"{MARK}') UNION SELECT digest FROM tokens --",
    f"{MARK}\\' OR 1=1 --",
    f"{MARK}%' ESCAPE '!' OR '%'='",
    f"{MARK}\u2019 OR 1=1",
    f"1{MARK}; SELECT pg_sleep(10)",
    f"{MARK}%00' OR 1",
    f"{MARK}{{{{7*7}}}}${{7*7}}",
]
LISTS = [call for call in CALLS if call.method == "GET" and call.query.model_fields and "{" not in call.path]


@pytest.fixture
def statements() -> Iterator[list[str]]:
    """Return the text of every statement that is executed meanwhile."""
    seen: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        seen.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    yield seen
    event.remove(Engine, "before_cursor_execute", note)


@pytest.mark.parametrize("call", LISTS, ids=lambda call: call.path)
async def test_no_filter_is_ever_part_of_a_statement(
    program: httpx2.AsyncClient, statements: list[str], call: Call
) -> None:
    await program.post("/api/jobs", json={"type": "echo", "args": {}})
    for name, field in call.query.model_fields.items():
        for payload in PAYLOADS:
            answer = await program.get(call.path, params={field.alias or name: payload})

            assert answer.status_code in (200, 404, 422), (name, payload, answer.text)
            if answer.status_code == 200 and "/json" in answer.headers["Content-Type"] and "items" in answer.json():
                assert answer.json()["items"] == [], (name, payload)

    assert statements
    assert [statement for statement in statements if MARK in statement] == []


@pytest.mark.parametrize("wildcard", ["%", "_", "%%", "\\", "[a-z]", "*"])
async def test_a_wildcard_is_a_letter_like_others(program: httpx2.AsyncClient, wildcard: str) -> None:
    made = await program.post("/api/jobs", json={"type": "echo", "args": {"text": "plain"}})
    for path in ("/api/jobs", "/api/descriptions"):
        answer = await program.get(path, params={"q": wildcard})

        assert (made.status_code, answer.status_code) == (201, 200)
        assert answer.json()["items"] == []


def test_every_list_that_can_be_filtered_is_asked() -> None:
    assert {"/api/jobs", "/api/descriptions"} <= {call.path for call in LISTS}
