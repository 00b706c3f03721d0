"""What the list of jobs shows of its question: the words in the box, the chips, what the box completes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.requests import Request

from daemons.jobs.filters import COUNTED
from daemons.jobs.query import KEYS, BadQuery, JobQuery, Term, parse
from daemons.states import JobState
from web.api.jobs import JobQuery as Asked
from web.context import service

OWN_NAMES = ("state", "type", "daemon", "parent")
"""Parameters that older links have; in the box they are words like all others."""
NAMES_COMPLETED = 100


@dataclass(frozen=True, slots=True)
class Chip:
    """A word to press. `q` is the question that it leads to; `count` is how many jobs are there, None if unknown."""

    label: str
    q: str
    is_on: bool = False
    count: int | None = None

    @property
    def is_capped(self) -> bool:
        return self.count is not None and self.count > COUNTED


def text_of(asked: Asked) -> str:
    """Return what was asked as one question, not yet read."""
    given = {name: (getattr(asked, name) or "").replace('"', "").strip(" ,") for name in OWN_NAMES}
    words = [str(Term(name, tuple(value.split(",")))) for name, value in given.items() if value]
    return " ".join([*words, *([asked.q.strip()] if asked.q and asked.q.strip() else [])])


def state_chips(query: JobQuery, tally: Mapping[JobState, int]) -> list[Chip]:
    """Return a chip for all jobs and one for each state; the rest of the question stays."""
    rest = query.without("state")
    asked = [term for term in query.terms if term.key == "state"]
    chips = [Chip("all", str(rest), is_on=not asked)]
    for state in JobState:
        is_on = [(*term.values, term.is_negated) for term in asked] == [(state.value, False)]
        chips.append(Chip(state.value, str(rest.also("state", state.value)), is_on, tally.get(state, 0)))
    return chips


def term_chips(query: JobQuery) -> list[Chip]:
    """Return a chip for each other part of the question, which leads to the question without it."""
    shown = [term for term in query.terms if term.key != "state" or term.is_negated or len(term.values) > 1]
    chips = [Chip(str(term), str(query.less(term))) for term in shown]
    return [*chips, *([Chip(query.text, str(JobQuery(query.terms)))] if query.text else [])]


async def completions(request: Request, text: str) -> list[str]:
    """Return whole questions that the box offers: the present one and one more word."""
    try:
        query = parse(text)
    except BadQuery:
        query = JobQuery()
    deck = service(request)
    words = [f"state:{state}" for state in JobState] + ["since:1h", "since:24h", "ended:1h", "-state:completed"]
    words += [str(Term("daemon", (daemon.name,))) for daemon in deck.board.all()[:NAMES_COMPLETED]]
    words += [str(Term("type", (name,))) for name in sorted(deck.registry.jobs)[:NAMES_COMPLETED]]
    # Codes are asked for in capitals.
    words += [
        str(Term("code", (code,))) for code in await deck.jobs.codes() if code.upper() == code and '"' not in code
    ]
    words += ["parent:"]
    there = str(query)
    used = {term.key for term in query.terms}
    return [f"{there} {word}".strip() for word in words if word.lstrip("-").split(":")[0] not in used]


def examples() -> Sequence[str]:
    """Return what may be asked, each with an example, as the page explains it."""
    return list(KEYS.values())
