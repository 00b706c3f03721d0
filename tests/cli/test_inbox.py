"""`daemondeck inbox`: what is asked, answered by field, as JSON, or not at all."""

from collections.abc import Iterator

import httpx2
import pytest

from tests.cli.deck_runner import DeckRunner, Serving


@pytest.fixture
def question(deck: DeckRunner, serving: Serving) -> Iterator[str]:
    """Have a job ask, and return the question's id."""
    from websockets.sync.client import connect

    headers = {"Authorization": f"Bearer {(deck.data_dir / 'token').read_text().strip()}"}
    address = f"ws{serving.url.removeprefix('http')}/api/events?topics=questions"
    with connect(address, additional_headers=headers, proxy=None) as socket:
        while '"heartbeat"' not in socket.recv(timeout=10):
            pass
        httpx2.post(f"{serving.url}/api/jobs", json={"type": "toy_ask"}, headers=headers, trust_env=False)
        while '"questions"' not in socket.recv(timeout=10):
            pass
    (asked,) = deck.json("inbox", "ls")
    yield str(asked["id"])
    deck.run("jobs", "cancel", asked["job_id"])


def test_a_question_is_shown_and_answered_by_its_fields(deck: DeckRunner, question: str) -> None:
    shown = deck.run("inbox", "get", question).stdout
    assert "Where does it belong?" in shown
    assert "shelf, copies" in shown

    done = deck.run("inbox", "answer", question, "shelf=throw away", "copies=2")

    assert (done.returncode, done.stdout) == (0, f"{question}: answered\n")
    assert deck.json("inbox", "get", question)["answer"] == {"shelf": "throw away", "copies": 2}
    assert deck.run("inbox", "answer", question, "shelf=keep").returncode == 5


def test_json_will_do_and_what_does_not_fit_is_named(deck: DeckRunner, question: str) -> None:
    wrong = deck.run("inbox", "answer", question, "--json", '{"shelf": "elsewhere"}')
    no_json = deck.run("inbox", "answer", question, "--json", "{shelf}")
    nothing = deck.run_alone("inbox", "answer", question)

    assert (wrong.returncode, wrong.stderr.partition(":")[0]) == (2, "ERR_INVALID_ANSWER")
    assert (no_json.returncode, nothing.returncode) == (2, 2)
    assert "shelf=…" in nothing.stderr
    assert deck.run("inbox", "answer", question, "--json", '{"shelf": "keep"}').returncode == 0


def test_an_empty_inbox_is_an_empty_list(deck: DeckRunner, serving: Serving) -> None:
    assert deck.json("inbox", "ls") == []
    assert deck.run("inbox", "get", "nothing").returncode == 4
