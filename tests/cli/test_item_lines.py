"""What people read of the many things a daemon works on."""

from datetime import timedelta
from typing import Any

import pytest

from daemons.cli import item_lines, verdicts
from daemons.cli.exits import Exit
from daemons.clock import SystemClock

JOB = {"state": "running", "waiting_reason": None, "id": "7"}
DAEMON: dict[str, Any] = {
    "name": "describe-pictures",
    "state": "running",
    "silent": False,
    "next_wake_at": None,
    "wait_reason": None,
    "current_status": "Describing batch 3 of 9",
}


def ago(seconds: float) -> str:
    return (SystemClock().now() - timedelta(seconds=seconds)).isoformat()


def items(**more: Any) -> dict[str, Any]:
    """Return figures in the middle of a long run."""
    known = {
        "noun": "images",
        "total": 31_841,
        "done": 5_425,
        "failed": 5,
        "settled": 5_430,
        "success_rate": 0.99908,
        "rate_last_hour": 380.4,
        "rate": 371.9,
        "last": {"name": "0/abc.jpg", "at": ago(120), "state": "done"},
        "seconds": {"items": 5425, "mean": 8.2, "median": 7.8, "p95": 20.0, "shortest": 3.1, "longest": 45.2},
        "codes": [{"code": "ERR_IMAGE_TRUNCATED", "items": 3}, {"code": "ERR_NOT_AN_IMAGE", "items": 2}],
        "answers": {"answers": 100, "cut": 29, "prompt_tokens": 1000, "output_tokens": 4000, "tokens_per_second": 3.5},
    }
    return known | more


def test_everything_of_the_old_summary_is_told() -> None:
    assert dict(item_lines.report(items())) == {
        "Images": "5,425 done, 5 failed of 31,841 (17.1%), 26,411 left",
        "Went well": "99.9%",
        "Each took": "mean 8.20 s, median 7.80 s, p95 20.00 s",
        "Range": "3.10 s to 45.20 s, of 5,425 images",
        "Rate": "380 an hour in the last hour, 372 an hour overall",
        "Tokens": "3.5 a second, 4,000 written, 1,000 read",
        "Cut off": "29 of 100 answers (29.0%) at max_tokens: a higher max_tokens lets them end",
        "Last": "0/abc.jpg (2 min ago)",
    }
    assert item_lines.codes(items()) == "5: ERR_IMAGE_TRUNCATED 3, ERR_NOT_AN_IMAGE 2"


def test_nothing_known_is_nothing_told() -> None:
    nothing = items(total=None, done=0, failed=0, settled=0, success_rate=None, seconds=None, answers=None, last=None)

    assert dict(item_lines.report(nothing)) == {"Images": "0 done, 0 failed"}
    assert item_lines.failing(nothing) is None


def test_more_than_five_percent_that_fail_are_in_the_verdict() -> None:
    few = verdicts.of_daemon(DAEMON, {**JOB, "started_at": ago(60)}, items(done=95, failed=5), is_live=True)
    many = verdicts.of_daemon(DAEMON, {**JOB, "started_at": ago(60)}, items(done=94, failed=6), is_live=True)

    assert few.words == "is working"
    assert many.words == "is working; 6.0% of its images fail"
    assert many.remedy == "`daemondeck failures describe-pictures` lists them by code."


def test_work_of_which_nothing_comes_appears_to_be_stopped() -> None:
    old = items(last={"name": "a.jpg", "at": ago(700), "state": "done"})
    slow = items(**{**old, "seconds": {**old["seconds"], "longest": 400.0}})
    job = {**JOB, "started_at": ago(5000)}

    stale = verdicts.of_daemon(DAEMON, job, old, is_live=True)

    assert stale.words.startswith("appears to be stopped since 20")
    assert stale.exit_code is Exit.NOT_RUNNING
    assert verdicts.of_daemon(DAEMON, job, slow, is_live=True).words == "is working"
    assert verdicts.of_daemon(DAEMON, {**job, "started_at": ago(30)}, old, is_live=True).words == "is working"
    resting = {**DAEMON, "next_wake_at": ago(-30), "wait_reason": "Resting"}
    assert verdicts.of_daemon(resting, job, old, is_live=True).words.startswith("is sleeping, wakes in ")


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(-5, "wakes now"), (40.9, "wakes in 4"), (600.5, "wakes in 10 min"), (90_000, "wakes at 20")],
)
def test_when_a_daemon_wakes_is_told_as_a_person_would(seconds: float, told: str) -> None:
    asleep = {**DAEMON, "next_wake_at": ago(-seconds), "wait_reason": "Resting"}

    words = verdicts.of_daemon(asleep, None, is_live=True).words

    assert words.startswith(f"is sleeping, {told}") and words.endswith(": Resting")
    assert "T" not in words and "+00" not in words


def test_a_rate_is_told_in_the_same_unit_wherever_it_stands() -> None:
    assert item_lines.rates(items(rate=58_088.0, rate_last_hour=146_820.0)) == (
        "2,447 a minute in the last hour, 968 a minute overall"
    )
