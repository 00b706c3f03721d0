from dataclasses import replace
from datetime import UTC, datetime

import pytest

from daemons.states import DAEMON_TRANSITIONS, DaemonState, Desired, JobState
from daemons.values import LastError
from tests.web.drawn import NOON, a_daemon, a_job
from web.marks import daemon_accepts, daemon_mark, deaths, job_accepts, job_mark, kind_of, reason_of, silence_of, tries


@pytest.mark.parametrize("state", DaemonState)
def test_every_state_of_a_daemon_has_a_sign_and_a_word(state: DaemonState) -> None:
    mark = daemon_mark(a_daemon(state=state))

    assert mark.sign
    assert mark.word


@pytest.mark.parametrize("state", JobState)
def test_every_state_of_a_job_has_a_sign_and_a_word(state: JobState) -> None:
    assert job_mark(replace(a_job(), state=state)).word == state


def test_a_running_daemon_that_waits_is_sleeping_and_one_past_its_promise_is_silent() -> None:
    soon = datetime(2026, 1, 1, tzinfo=UTC)

    assert daemon_mark(a_daemon(next_wake_at=soon)).word == "sleeping"
    assert daemon_mark(a_daemon(next_wake_at=soon, silent=True)).word == "silent"


def test_stopping_after_the_item_in_hand_is_draining() -> None:
    assert daemon_mark(a_daemon(state=DaemonState.STOPPING, stop_mode="drain")).word == "draining"
    assert daemon_mark(a_daemon(state=DaemonState.STOPPING, stop_mode="now")).word == "stopping"


def test_a_queued_job_with_a_reason_is_waiting() -> None:
    assert job_mark(replace(a_job(), state=JobState.QUEUED, waiting_reason="behind 3 jobs")).word == "waiting"


@pytest.mark.parametrize("state", DAEMON_TRANSITIONS)
@pytest.mark.parametrize("desired", Desired)
def test_in_every_state_a_person_can_start_or_stop(state: DaemonState, desired: Desired) -> None:
    daemon = a_daemon(state=state, desired=desired)

    assert daemon_accepts(daemon, "start") or daemon_accepts(daemon, "stop")


def test_a_disabled_daemon_cannot_be_started() -> None:
    daemon = a_daemon(state=DaemonState.STOPPED, desired=Desired.OFF, enabled=False)

    assert not daemon_accepts(daemon, "start")
    assert not daemon_accepts(daemon, "restart")


def test_a_finished_job_can_be_tried_again_and_an_unfinished_one_cancelled() -> None:
    failed = replace(a_job(), state=JobState.FAILED)

    assert job_accepts(failed, "retry")
    assert not job_accepts(failed, "cancel")
    assert job_accepts(a_job(), "cancel")
    assert not job_accepts(a_job(), "retry")


def test_the_title_of_a_type_is_told_only_when_the_name_does_not_say_it() -> None:
    assert kind_of(a_daemon(name="describe-holiday", title="Describe images")) == "Describe images"
    assert kind_of(a_daemon(name="describe_images", title="Describe images")) is None
    assert kind_of(a_daemon(name="plugin-my_daemons", title="Plug-in my.daemons")) is None


def test_a_reason_that_repeats_the_error_is_left_out() -> None:
    error = LastError("ERR_STUCK", "It did not end.", NOON)

    assert reason_of(a_daemon(state_reason="It did not end.", last_error=error)) is None
    assert reason_of(a_daemon(state_reason="It crashed too often.", last_error=error)) == "It crashed too often."


@pytest.mark.parametrize("state", DaemonState)
def test_a_daemon_without_a_status_is_never_without_a_word(state: DaemonState) -> None:
    assert silence_of(a_daemon(state=state, state_reason=None))


def test_a_try_counts_as_failed_only_once_it_is_over() -> None:
    tried = replace(a_job(), failures=1, max_attempts=3)

    assert tries(tried) is None
    assert tries(replace(tried, failures=2)) == "try 2 of 3"
    assert tries(replace(tried, state=JobState.QUEUED)) == "1 of 3 tries failed"
    assert tries(replace(tried, state=JobState.FAILED)) == "gave up at try 1 of 3"
    assert tries(replace(tried, state=JobState.COMPLETED, failures=0)) is None


def test_the_try_under_way_is_no_death_of_its_process() -> None:
    running = replace(a_job(), state=JobState.RUNNING, crashes=1)

    assert deaths(running) == 0
    assert deaths(replace(running, crashes=2)) == 1
    assert deaths(replace(running, state=JobState.QUEUED)) == 1


@pytest.mark.parametrize("accepts", [lambda: daemon_accepts(a_daemon(), "fly"), lambda: job_accepts(a_job(), "fly")])
def test_a_command_that_does_not_exist_is_a_mistake_of_the_template(accepts: object) -> None:
    assert callable(accepts)
    with pytest.raises(ValueError, match="fly is not a command"):
        accepts()
