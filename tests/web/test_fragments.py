import json
from dataclasses import replace

import pytest

from daemons.clock import SystemClock
from daemons.errors import ErrorInfo
from daemons.events import DaemonChanged, ItemChanged, JobChanged, JobRemoved
from daemons.states import DaemonState
from tests.web.drawn import NOON, NUMBERS, a_daemon, a_job
from web.assets import Assets
from web.fragments import FRAME_BYTES, Fragment, daemon_row, data_frame, fragments_of, job_head, rows_frames, tiles
from web.templating import Templates


@pytest.fixture(scope="module")
def templates() -> Templates:
    return Templates(Assets(), SystemClock())


def test_a_fragment_is_the_same_text_as_in_the_first_load(templates: Templates) -> None:
    daemon = a_daemon()
    viewer = {"name": "a", "role": "viewer"}
    page = templates.render("pages/daemons.html", viewer=viewer, daemons=[daemon], broken=[], **NUMBERS)

    fragment = daemon_row(templates, daemon)

    assert fragment.html in page
    assert fragment.html.startswith("<div")
    assert fragment.html.endswith("</div>")


def test_a_fragment_names_its_element_and_its_revision(templates: Templates) -> None:
    fragment = daemon_row(templates, a_daemon())

    assert f'id="{fragment.target_id}" data-rev="{fragment.revision}"' in fragment.html


@pytest.mark.parametrize(("active", "said"), [(0, "jobs at work"), (1, "job at work"), (2, "jobs at work")])
def test_one_job_is_counted_as_one(templates: Templates, active: int, said: str) -> None:
    tally = {"active": active, "queued": 0, "failed": 0, "ended": 0, "ended_by_hour": [0] * 24}

    assert f"<b>{active}</b> {said}" in tiles(templates, tally).html


def test_a_change_is_drawn_wherever_it_shows(templates: Templates) -> None:
    described: dict[str, object] = {
        "id": "x", "path": "a.jpg", "description": "Blue.", "describer": "basic", "state": "done", "error": None,
        "created_at": NOON.isoformat(),
    }  # fmt: skip

    assert [each.target_id[:3] for each in fragments_of(templates, DaemonChanged(a_daemon()))] == ["d-0", "df-"]
    assert [each.target_id[:3] for each in fragments_of(templates, JobChanged(a_job()))] == ["j-0", "jh-"]
    assert [each.target_id for each in fragments_of(templates, ItemChanged("descriptions", "x", described))] == ["i-x"]
    assert fragments_of(templates, JobRemoved("x")) == ()


def test_frames_hold_every_fragment_and_stay_within_their_size() -> None:
    fragments = [Fragment(f"d-{n}", 1, "<div>" + "é" * 3000 + "</div>") for n in range(40)]

    frames = list(rows_frames(fragments, seq=5, at=NOON))

    assert all(len(frame.encode()) <= FRAME_BYTES for frame in frames)
    content = "".join(json.loads(frame)["content"] for frame in frames)
    assert [f"id='d-{n}'" in content for n in range(40)] == [True] * 40
    assert {json.loads(frame)["type"] for frame in frames} == {"rows"}


def test_a_fragment_no_frame_can_hold_makes_the_page_read_itself_again(templates: Templates) -> None:
    error = ErrorInfo("ERR_X", "It failed.", "é" * FRAME_BYTES)
    head = job_head(templates, replace(a_job(), error=error))
    row = daemon_row(templates, a_daemon())

    frames = [json.loads(frame) for frame in rows_frames([head, row], seq=5, at=NOON)]

    assert [frame["type"] for frame in frames] == ["rows", "resync"]


def test_nothing_to_draw_is_no_frame() -> None:
    assert list(rows_frames([], seq=1, at=NOON)) == []


def test_a_frame_without_content_carries_its_fields_with_times_written_out() -> None:
    frame = json.loads(data_frame("log", seq=9, at=NOON, data={"at": NOON, "message": "hi"}))

    at = "2026-05-01T12:00:00.000Z"
    assert frame == {"seq": 9, "type": "log", "at": at, "data": {"at": at, "message": "hi"}}


def test_reset_stands_in_the_row_of_a_failed_daemon_that_cannot_be_started(templates: Templates) -> None:
    disabled = daemon_row(templates, a_daemon(state=DaemonState.FAILED, enabled=False))
    enabled = daemon_row(templates, a_daemon(state=DaemonState.FAILED))

    assert "/reset" in disabled.html
    assert "/reset" not in enabled.html, "Start does that too"
