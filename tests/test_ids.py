"""Ids are random UUIDs, also after a fork."""

import os
from uuid import UUID

import pytest

from daemons.ids import new_id


def test_ids_are_random_uuids() -> None:
    ids = {new_id() for _ in range(1000)}

    assert len(ids) == 1000
    assert {UUID(one).version for one in ids} == {4}


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_child_has_ids_of_its_own() -> None:
    new_id()
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.write(writing, new_id().encode())
        os._exit(0)
    os.wait()

    assert os.read(reading, 36).decode() != new_id()
    os.close(reading)
    os.close(writing)
