"""What the schema promises, held against a served deck: thousands of calls, valid and not, by people of every role."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from PIL import Image
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from daemons.access import Role
from daemons.clock import SystemClock
from tests.cli.deck_runner import DeckRunner

CASES = 8
"""Of each call, in each way: with what the schema allows, and with what it forbids."""
ROUNDS = 5
"""For a call that was only refused so far."""
PEOPLE = ["admin", "admin", "admin", "operator", "viewer", "nobody"]
"""Who calls; the one who may do everything most of all, else nothing would be tried but doors."""
CHECKS_OF_ANSWERS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
CHECKS = [negative_data_rejection, *CHECKS_OF_ANSWERS]
TOO_LARGE = 413
"""A refusal of what is wrong as good as any other, of which that check does not know."""
AT_NIGHT = {"kind": "cron", "expression": "30 3 * * *", "zone": "UTC", "action": "create_job", "job_type": "echo"}
DEAF = {"kind": "webhook", "url": "http://127.0.0.1:9/", "events": [], "zone": "UTC"}
"""Nobody listens there, and nothing is to be told."""
LIKELY = {
    "/api/schedules": {"name": "weekly", **AT_NIGHT, "args": None, "daemon_name": None},
    "/api/schedules/{name}": {**AT_NIGHT, "args": None, "daemon_name": None, "revision": None},
    "/api/schedules/preview": {"kind": "cron", "expression": "30 3 * * *", "zone": "UTC"},
    "/api/daemons/{name}/failures/retry": {"code": "ERR_NOT_AN_IMAGE"},
    "/api/daemons/{name}/failures/skip": {"code": "ERR_NOT_AN_IMAGE"},
    "/api/daemons/{name}/failures/mute": {"code": "ERR_NOT_AN_IMAGE", "for": 60},
    "/api/daemons/{name}/failures/count": {"code": "ERR_NOT_AN_IMAGE"},
    "/api/notifications/targets": {"name": "barn", **DEAF},
    "/api/notifications/targets/{name}": {"url": "http://127.0.0.1:9/", "zone": "UTC"},
    "/api/daemons": {"type": "talker", "configuration": {"sentence": "hello"}},
    "/api/daemons/{name}": {"configuration": {"sentence": "hello"}, "configuration_revision": None},
    "/api/jobs": {"type": "echo", "args": {"text": "hello"}},
    "/api/users": {"name": "cleo", "password": "correct horse battery staple"},
    "/api/users/{name}/password": {"password": "correct horse battery staple"},
    "/api/questions/{id}/answer": {"answer": {"shelf": "keep"}},
    "/api/records": {"ladder": "toys", "source": "/toys/ship.jpg", "status": None, "fields": {"place": "Kiel"}},
    "/api/records/bulk": {"action": "move", "status": "0 - New"},
    "/api/records/{id}": {"fields": {"title": "A ship"}, "revision": None},
    "/api/records/{id}/move": {"status": "Awaiting User Input", "revision": None},
    "/api/descriptions/redo": {"describer": "basic", "model": "", "ids": None, "all": True},
    "/api/descriptions/{id}": {"description": "A small square.", "revision": None},
    "/api/descriptions/{id}/restore": {"version": 1, "revision": None},
    "/api/descriptions/{id}/redo": {"describer": "basic", "model": ""},
    "/api/descriptions/sidecar": {"ids": None, "all": True},
}
"""Parts of bodies that chance would never find, by path."""
SECONDS = 10.0
REFUSED = {
    "POST /api/me/password": "of people who signed in, not of tokens",
    "DELETE /api/me/sessions/{id}": "of people who signed in, not of tokens",
    "DELETE /api/sessions/{id}": "nobody signed in with a browser",
    "POST /api/records/{id}/retry": "of steps that failed, and nobody climbs here",
}
"""Calls that chance does not bring to succeed, and why."""


@dataclass
class Deck:
    """A served deck with something of everything in it, and who may do what."""

    url: str
    tokens: dict[str, str]
    document: dict[str, Any]
    known: list[tuple[str, str, list[str]]]
    """Names and ids that exist: the beginning of a path, the parameter in it; of several that fit the last counts."""
    session: requests.Session = field(default_factory=requests.Session)
    answers: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    """The statuses that each call was answered with."""

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
    runner = DeckRunner(tmp_path_factory.mktemp("fuzzed"), DAEMONDECK_PLUGINS="tests.web.plugin,tests.web.toy_ladder")
    tokens = {role.value: runner.json("token", "add", role.value, "--role", role.value)["secret"] for role in Role}
    pictures = tmp_path_factory.mktemp("pictures")
    Image.new("RGB", (8, 8)).save(pictures / "one.png")
    (pictures / "text.png").write_text("not a picture")
    with runner.serving("--describe", str(pictures)) as serving, requests.Session() as session:
        session.trust_env = False
        deck = Deck(serving.url, {**tokens, "nobody": "wrong"}, {}, [], session)
        fill(deck)
        deck.document = deck.ask("GET", "/api/openapi.json")
        yield deck
        assert deck.ask("GET", "/api/health")["ready"]
        assert "Traceback" not in runner.log_of("serve")


def fill(deck: Deck) -> None:
    """Put something of everything into the deck."""
    for name in ("second", "spare"):
        deck.ask("POST", "/api/daemons", json={"type": "talker", "name": name, "enabled": name == "second"})
    deck.ask("POST", "/api/daemons/talker/start")
    jobs = [deck.ask("POST", "/api/jobs", json={"type": type})["id"] for type in ("echo", "wait", "ask", "ask", "wait")]
    deck.ask("POST", "/api/tokens", json={"name": "spare"})
    for name in ("nightly", "hourly"):
        deck.ask("POST", "/api/schedules", json={"name": name, **AT_NIGHT})
    for name in ("ana", "ben"):
        deck.ask("POST", "/api/users", json={"name": name, "password": "correct horse battery"})
    deck.ask("POST", "/api/daemons/grumbler/start")
    for name in ("desk", "shed"):
        deck.ask("POST", "/api/notifications/targets", json={"name": name, **DEAF})
    operation = deck.ask("POST", "/api/jobs/bulk", json={"action": "cancel", "ids": jobs[-1:]})["id"]
    described = next(
        row["name"] for row in deck.ask("GET", "/api/daemons")["items"] if row["type"] == "describe_images"
    )
    failed = next(group for group in listed(deck, f"/api/daemons/{described}/failures", 1) if group["items"])
    deck.ask("POST", f"/api/daemons/{described}/failures/skip", json={"code": failed["code"]})
    square = next(row["id"] for row in listed(deck, "/api/descriptions", 2) if row["state"] == "done")
    deck.ask("PATCH", f"/api/descriptions/{square}", json={"description": "A black square."})
    toys = [
        deck.ask("POST", "/api/records", json={"ladder": "toys", "source": f"/toys/{at}.jpg"})["id"] for at in range(6)
    ]
    for toy in toys[:4]:
        deck.ask("POST", f"/api/records/{toy}/move", json={"status": "Awaiting User Input"})
    deck.known = [
        ("/api/records/", "id", toys),
        ("/api/ladders/", "name", ["toys"]),
        ("/api/daemons/", "name", ["talker", "second", "spare"]),
        ("/api/daemons/{name}/errors", "name", ["grumbler"]),
        ("/api/daemons/{name}/errors", "id", ids_of(deck, "/api/daemons/grumbler/errors", 1)),
        ("/api/daemons/{name}/failures", "name", [described]),
        ("/api/daemons/{name}/failures", "id", [item["id"] for item in failed["items"]]),
        ("/api/jobs/", "id", jobs[:2]),  # the others wait for an answer
        ("/api/operations/", "id", [operation]),
        ("/api/questions/", "id", ids_of(deck, "/api/questions", 2)),
        ("/api/descriptions/", "id", [square]),
        ("/api/notifications/", "name", ["desk", "shed"]),
        ("/api/schedules/", "name", ["nightly", "hourly"]),
        ("/api/tokens/", "name", ["spare"]),
        ("/api/users/", "name", ["ana", "ben"]),
    ]


def ids_of(deck: Deck, path: str, count: int) -> list[str]:
    """Return the ids of a list once it has `count` items."""
    return [item["id"] for item in listed(deck, path, count)]


def listed(deck: Deck, path: str, count: int) -> list[dict[str, Any]]:
    """Return a list once it has `count` items: daemons and jobs make them in their own time."""
    deadline = SystemClock().monotonic() + SECONDS
    while len(items := deck.ask("GET", path)["items"]) < count:
        assert SystemClock().monotonic() < deadline, f"{path} holds only {items}"
    return list(items)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("mode", GenerationMode, ids=lambda mode: mode.value)
def test_every_answer_is_one_that_the_schema_promises(deck: Deck, mode: GenerationMode) -> None:
    schema = schemathesis.openapi.from_dict(deck.document)
    operations = [found.ok() for found in schema.get_all_operations()]
    # What is removed can do nothing more.
    operations.sort(key=lambda operation: operation.method.upper() == "DELETE")

    broken = [complaint for operation in operations if (complaint := complaint_of(deck, operation, mode))]

    assert not broken, "\n".join(broken)
    assert len(operations) == sum(map(len, deck.document["paths"].values()))
    if mode is GenerationMode.POSITIVE:
        refused = {call for call, statuses in deck.answers.items() if not any(status < 300 for status in statuses)}
        # What is never done is never looked at; a few calls may be beyond the reach of chance.
        beyond = refused - REFUSED.keys()
        assert len(beyond) <= len(operations) // 10, f"put what they need into `fill` or `LIKELY`: {beyond}"


def complaint_of(deck: Deck, operation: Any, mode: GenerationMode) -> str | None:
    """Return what is wrong with the answers to one call, or None. Goes on a little until it was done at least once."""
    name = f"{operation.method.upper()} {operation.path}"

    @settings(
        max_examples=CASES,
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
        deck.answers[name].add(answer.status_code)
        assert answer.status_code not in (500, 502, 504), answer.text
        case.validate_response(answer, checks=CHECKS if answer.status_code != TOO_LARGE else CHECKS_OF_ANSWERS)

    try:
        for number in range(ROUNDS if mode is GenerationMode.POSITIVE and name not in REFUSED else 1):
            # The same cases in every run.
            seed(number)(ask)()
            if any(status < 300 for status in deck.answers[name]):
                break
    except Unsatisfiable:
        return None  # Nothing can be wrong with a call that takes nothing and is open to anyone.
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told with the call that it is of
        return f"{name}: {error}"
    except BaseExceptionGroup as errors:
        return f"{name}: {errors}"
    return None


def make_likely(deck: Deck, case: schemathesis.Case, draw: st.DataObject) -> None:
    """Put names that exist where chance would never find them, now and then."""
    known = {parameter: names for place, parameter, names in deck.known if case.path.startswith(place)}
    for parameter, value in list(case.path_parameters.items()):
        case.path_parameters[parameter] = draw.draw(st.sampled_from([*known.get(parameter, []), value]))
    if isinstance(case.query, dict) and "cursor" in case.query and draw.draw(st.booleans()):
        del case.query["cursor"]
    if isinstance(case.body, dict) and case.path in LIKELY and draw.draw(st.booleans()):
        case.body |= LIKELY[case.path]
