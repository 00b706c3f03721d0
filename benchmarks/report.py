"""What a benchmark measured, beside its goal, in words."""

import statistics
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")

ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Rounds:
    """One figure, measured several times."""

    values: Sequence[float]
    unit: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def over(self, others: "Rounds") -> "Rounds":
        """Return the ratio of each round to the other way's round beside it."""
        return Rounds([ours / theirs for ours, theirs in zip(self.values, others.values, strict=True)], "x")

    def __str__(self) -> str:
        spread = f" [{spell(min(self.values))}-{spell(max(self.values))}]" if len(self.values) > 1 else ""
        return f"{spell(self.median)}{self.unit}{spread}"


@dataclass(frozen=True, slots=True)
class Goal:
    """A limit that a median keeps or does not."""

    limit: float
    unit: str
    at_most: bool

    def is_kept_by(self, rounds: Rounds) -> bool:
        return rounds.median <= self.limit if self.at_most else rounds.median >= self.limit

    def __str__(self) -> str:
        return f"{'<=' if self.at_most else '>='} {spell(self.limit)}{self.unit}"


def at_most(limit: float, unit: str = "x") -> Goal:
    return Goal(limit, unit, at_most=True)


def at_least(limit: float, unit: str = "x") -> Goal:
    return Goal(limit, unit, at_most=False)


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured thing. Its goal is for the ratio where there is something beside it, else for the figure itself."""

    what: str
    rounds: Rounds
    goal: Goal | None = None
    beside: Rounds | None = None
    beside_name: str = ""
    note: str = ""

    @property
    def judged(self) -> Rounds:
        return self.rounds.over(self.beside) if self.beside else self.rounds

    def lines(self) -> list[str]:
        """Return the figure, what stands beside it, and the verdict."""
        said = f"  {self.what}: {self.rounds}"
        if self.beside is not None:
            said += f"; {self.beside_name}: {self.beside}; ratio {self.judged}"
        if self.goal is not None:
            verdict = "reached" if self.goal.is_kept_by(self.judged) else "MISSED"
            said += f"; goal {self.goal}: {verdict}"
        return [said, *([f"      {self.note}"] if self.note else [])]


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One of the goals: what it is about, how it is measured, and the measuring."""

    name: str
    title: str
    method: str
    measure: Callable[[], Coroutine[Any, Any, list[Figure]]] = field(repr=False)


def spell(value: float) -> str:
    """Return a number with three significant digits, and no more than are needed."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


async def interleave(*ways: Callable[[], Awaitable[T]], rounds: int = ROUNDS) -> list[list[T]]:
    """Measure each way once a round, so that what the machine does meanwhile falls on all of them."""
    measured: list[list[T]] = [[] for _ in ways]
    for _ in range(rounds):
        for way, results in zip(ways, measured, strict=True):
            results.append(await way())
    return measured


def percentile(values: Sequence[float], percent: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]
