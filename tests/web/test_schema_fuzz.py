"""What the schema promises, held against a served deck: thousands of calls, valid and not, by people of every role."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from daemons.access import Role
from tests.cli.deck_runner import DeckRunner

CASES = 8
"""Of each call, in each way: with what the schema allows, and with what it forbids."""
PEOPLE = ["admin", "admin", "admin", "operator", "viewer", "nobody"]
"""Who calls; the one who may do everything most of all, else nothing would be tried but doors."""
CHECKS = [
    status_code_conformance,
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
TYPES = {"/api/daemons": ("talker", "talker"), "/api/jobs": ("echo", "echo")}
SECONDS = 10.0


@dataclass
class Deck:
    """A served deck with something of everything in it, and who may do what."""

    url: str
    tokens: dict[str, str]
    document: dict[str, Any]
    known: dict[str, list[str]]
    """Names and ids that exist, by the path they are of."""
    session: requests.Session = field(default_factory=requests.Session)

    def ask(self, method: str, path: str, **request: Any) -> Any:
        """Return the answer to a call of the admin."""
        answer = self.session.request(method, self.url + path, headers=self.header("admin"), timeout=SECONDS, **request)
        assert answer.ok, answer.text
        return answer.json()

    def header(self, who: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[who]}"}


@pytest.fixture(scope="module")
def deck(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deck]:
    """Serve a deck with daemons, jobs, log lines, tokens and history."""
    runner = DeckRunner(tmp_path_factory.mktemp("fuzzed"), DAEMONDECK_PLUGINS="tests.web.plugin")
    tokens = {role.value: runner.json("token", "add", role.value, "--role", role.value)["secret"] for role in Role}
    with runner.serving() as serving, requests.Session() as session:
        session.trust_env = False
        deck = Deck(serving.url, {**tokens, "nobody": "wrong"}, {}, {}, session)
        deck.ask("POST", "/api/daemons", json={"type": "talker", "name": "second"})
        deck.ask("POST", "/api/daemons/talker/start")
        jobs = [deck.ask("POST", "/api/jobs", json={"type": type})["id"] for type in ("echo", "wait")]
        deck.document = deck.ask("GET", "/api/openapi.json")
        deck.known = {"/api/daemons/": ["talker", "second"], "/api/jobs/": jobs}
        yield deck
        assert deck.ask("GET", "/api/health")["ready"]
        assert "Traceback" not in runner.log_of("serve")


@pytest.mark.timeout(120)
@pytest.mark.parametrize("mode", GenerationMode, ids=lambda mode: mode.value)
def test_every_answer_is_one_that_the_schema_promises(deck: Deck, mode: GenerationMode) -> None:
    schema = schemathesis.openapi.from_dict(deck.document)
    operations = [found.ok() for found in schema.get_all_operations()]

    broken = [complaint for operation in operations if (complaint := complaint_of(deck, operation, mode))]

    assert not broken, "\n".join(broken)
    assert len(operations) == sum(map(len, deck.document["paths"].values()))


def complaint_of(deck: Deck, operation: Any, mode: GenerationMode) -> str | None:
    """Return what is wrong with the answers to one call, or None."""

    @settings(
        max_examples=CASES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode), draw=st.data())
    def ask(case: schemathesis.Case, draw: st.DataObject) -> None:
        if mode is GenerationMode.POSITIVE:
            make_likely(deck, case, draw)
        who = deck.header(draw.draw(st.sampled_from(PEOPLE)))
        answer = case.call(deck.url, session=deck.session, headers=who, timeout=SECONDS)
        assert answer.status_code not in (500, 502, 504), answer.text
        case.validate_response(answer, checks=CHECKS)

    try:
        ask()
    except Unsatisfiable:
        return None  # Nothing can be wrong with a call that takes nothing and is open to anyone.
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told with the call that it is of
        return f"{operation.method.upper()} {operation.path}: {error}"
    except BaseExceptionGroup as errors:
        return f"{operation.method.upper()} {operation.path}: {errors}"
    return None


def make_likely(deck: Deck, case: schemathesis.Case, draw: st.DataObject) -> None:
    """Put names that exist where chance would never find them, now and then."""
    for place, names in deck.known.items():
        if case.path.startswith(place + "{"):
            for parameter, value in list(case.path_parameters.items()):
                case.path_parameters[parameter] = draw.draw(st.sampled_from([*names, value]))
    if isinstance(case.query, dict) and "cursor" in case.query and draw.draw(st.booleans()):
        del case.query["cursor"]
    if isinstance(case.body, dict):
        if isinstance(case.body.get("type"), str):
            case.body["type"] = draw.draw(st.sampled_from([*TYPES.get(case.path, ()), case.body["type"]]))
        if "configuration" in case.body and draw.draw(st.booleans()):
            case.body["configuration"] = {"sentence": "hello"}
