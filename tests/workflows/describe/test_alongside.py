"""Long work in a worker: it says that it goes on, and falls silent when it has gone on for too long."""

import threading
from concurrent.futures import Future

import pytest

from daemons.worker_process import Alive
from daemons.workflows.describe.alongside import begin, until_done


def test_while_it_works_it_says_that_it_goes_on() -> None:
    gate = threading.Event()
    steps = until_done(begin(lambda: gate.wait(30)), seconds=60, every=0.01)

    assert [next(steps), next(steps)] == [Alive(), Alive()]
    gate.set()
    with pytest.raises(StopIteration) as ended:
        while True:
            next(steps)
    assert ended.value.value is True


def test_what_hangs_is_kept_alive_only_for_its_time() -> None:
    hung: Future[str] = Future()
    steps = until_done(hung, seconds=0.03, every=0.01)

    assert [next(steps) for _ in range(3)] == [Alive()] * 3
    rest = threading.Thread(target=list, args=(steps,))
    rest.start()
    rest.join(0.05)
    assert rest.is_alive()
    hung.set_result("at last")
    rest.join(10)
    assert not rest.is_alive()


def test_an_error_of_the_work_is_raised_where_it_is_waited_for() -> None:
    steps = until_done(begin(lambda: {}["nothing"]), seconds=60, every=0.01)

    with pytest.raises(KeyError):
        list(steps)
