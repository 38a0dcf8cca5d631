"""Who else works on the same file: only to say so, the work itself is shared by leases."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SUFFIX = "-runs"
"""A file beside SQLite's own: each process that works holds a byte of it while it lives."""
MOST = 64


@contextmanager
def counted(database: str) -> Iterator[int]:
    """Count as one that works on a file of SQLite; yield how many others do."""
    # Not the file itself: to close it would end the locks that SQLite has on it.
    file = os.open(Path(database + SUFFIX), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.lockf(file, fcntl.LOCK_EX, 1, MOST)  # one after the other, or two would miscount
        free = [place for place in range(MOST) if _locked(file, place)]
        for place in (*free[1:], MOST):
            fcntl.lockf(file, fcntl.LOCK_UN, 1, place)
        yield MOST - len(free)
    finally:
        os.close(file)


def _locked(file: int, place: int) -> bool:
    """Lock a byte; say whether that went well."""
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
    except BlockingIOError:
        return False
    return True
