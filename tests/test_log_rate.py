"""A daemon that logs faster than anybody reads is slowed down, and it is told how much."""

from daemons.log_rate import LINES_A_SECOND, WAIT, LogRate
from tests.fake_clock import FakeClock


def test_the_first_hundred_lines_of_a_second_pass(clock: FakeClock) -> None:
    rate = LogRate(clock)

    answers = [rate.admit("info", f"line {number}") for number in range(LINES_A_SECOND)]

    assert set(answers) == {(True, 0.0)}


def test_beyond_the_rate_new_lines_wait_and_equal_ones_are_only_counted(clock: FakeClock) -> None:
    rate = LogRate(clock)
    for number in range(LINES_A_SECOND):
        rate.admit("info", f"line {number}")

    new, again = rate.admit("error", "no"), rate.admit("error", "no")

    assert (new, again) == ((True, WAIT), (False, WAIT))
    assert rate.held_back == 2


async def test_who_keeps_close_to_the_rate_stays_held_back_until_it_is_calm(clock: FakeClock) -> None:
    rate = LogRate(clock)
    for _ in range(LINES_A_SECOND + 1):
        rate.admit("info", "again")

    await clock.advance(1.0)
    still = [rate.admit("info", "again") for _ in range(LINES_A_SECOND * 9 // 10)]
    await clock.advance(1.0)
    rate.admit("info", "again")
    await clock.advance(1.0)

    assert set(still) == {(False, WAIT)}
    assert rate.admit("info", "again") == (True, 0.0)


async def test_what_was_held_back_is_told_now_and_then(clock: FakeClock) -> None:
    rate = LogRate(clock)
    for _ in range(LINES_A_SECOND + 7):
        rate.admit("info", "again")

    early = rate.summary()
    await clock.advance(10.0)
    told = rate.summary()

    assert early is None
    assert told == "7 log lines came faster than 100 a second and were held back."
    assert rate.summary(now=True) is None
