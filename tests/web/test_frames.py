"""Frames of the events socket keep within their size and say what they left out."""

import json
from dataclasses import replace

import pytest

from daemons.errors import ErrorInfo
from daemons.events import DaemonChanged, JobChanged
from tests.web.drawn import NOON, a_daemon, a_job
from web.frames import FRAME_BYTES, VALUE_BYTES, Change, fits, snapshot_frames


def text_of(event: DaemonChanged | JobChanged) -> str:
    return Change(1, NOON, event).frame.text


@pytest.mark.parametrize("value", [None, 5, "", "x" * (VALUE_BYTES - 2), [1] * 2000, {"a": "ä" * 2000}])
def test_what_fits_is_measured_in_bytes_of_json(value: object) -> None:
    length = len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())

    assert fits(value, VALUE_BYTES) == (length <= VALUE_BYTES)
    assert not fits(value, length - 1) or value in (None, 5)


def test_short_arguments_and_results_are_told() -> None:
    data = json.loads(text_of(JobChanged(replace(a_job(), args={"a": 1}, result=[1]))))["data"]

    assert (data["args"], data["result"], data["truncated"]) == ({"a": 1}, [1], False)


def test_a_job_with_a_long_chain_of_errors_still_fits() -> None:
    error = None
    for _ in range(8):
        error = ErrorInfo("ERR_X", "It broke.", "x" * 16_000, None, error)

    text = text_of(JobChanged(replace(a_job(), error=error)))

    assert len(text.encode()) <= FRAME_BYTES
    assert json.loads(text)["data"]["error"]["message"] == "It broke."
    assert json.loads(text)["data"]["truncated"] is True


def test_a_daemon_with_a_huge_configuration_still_fits() -> None:
    text = text_of(DaemonChanged(a_daemon(configuration={"list": ["ä" * 100] * 1000})))

    assert len(text.encode()) <= FRAME_BYTES
    assert json.loads(text)["data"]["configuration"] is None


def test_a_snapshot_is_cut_into_frames_that_fit() -> None:
    jobs = [replace(a_job(), id=str(number), args={"text": "ä" * 1500}) for number in range(100)]

    frames = [json.loads(text) for text in snapshot_frames(0, "jobs", NOON, jobs)]

    assert max(len(text.encode()) for text in snapshot_frames(0, "jobs", NOON, jobs)) <= FRAME_BYTES
    assert [job["id"] for frame in frames for job in frame["data"]["items"]] == [job.id for job in jobs]
    assert [frame["data"]["more"] for frame in frames] == [True] * (len(frames) - 1) + [False]


def test_an_empty_snapshot_is_told_too() -> None:
    (text,) = snapshot_frames(0, "jobs", NOON, [])

    assert json.loads(text)["data"] == {"items": [], "more": False}
