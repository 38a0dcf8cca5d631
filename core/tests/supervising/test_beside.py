"""Two `channelmix run` on one file of SQLite: allowed, said, and nothing is done twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Fixture = Callable[..., Any]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
SAID = "another `channelmix run` works on it too"


def test_a_second_run_on_the_same_file_says_so_and_shares_the_work(
    configure: Fixture, run: Fixture, customers: Fixture, accounted: Fixture
) -> None:
    configure()
    first = run()
    first.up()
    second = run()
    assert "desk.db" in second.line(SAID)
    second.up()
    crowds = [customers(one.webhook("calm")) for one in (first, second)]
    for crowd in crowds:
        crowd.wait_for_more()
    # Both crowds use the same names, so that what both sent is a repetition of one event.
    accounted("calm", set.union(*(crowd.leave() for crowd in crowds)))
    assert SAID not in first.output
    assert first.stop() == 0
    third = run()
    third.line(SAID)
    third.up()
    assert [one.stop() for one in (second, third)] == [0, 0]
    alone = run()
    alone.up()
    assert SAID not in alone.output
    assert alone.stop() == 0
