"""Random ids, fetched from the system many at a time."""

import os
from uuid import UUID

_IDS_AT_ONCE = 256
_pool = memoryview(b"")


def new_id() -> str:
    """Return a random UUID as text. Each fetch of random bytes lets other threads in, so it is done seldom."""
    global _pool
    if not _pool:
        _pool = memoryview(os.urandom(16 * _IDS_AT_ONCE))
    taken, _pool = _pool[:16], _pool[16:]
    return str(UUID(bytes=bytes(taken), version=4))


def _forget() -> None:
    global _pool
    _pool = memoryview(b"")


# A forked child must not hand out the ids of its parent.
os.register_at_fork(after_in_child=_forget)
