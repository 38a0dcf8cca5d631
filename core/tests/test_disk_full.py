"""A full disk: nothing is said to be stored that is not, and making room is all it takes."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from channelmix.errors import StoreError
from channelmix.records import Found, Receipt
from channelmix.store.engine import Store
from structlog.testing import capture_logs

QUESTION = {"id": "c0", "by": "eva", "text": "Where is my parcel?"}
RECEIPT = "r" * 2_000
"""Finds no room in a page that is there."""
SMALL_DISK = "6m"
LOOKS = sa.text("SELECT max(looks) FROM outbox_parts")
TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
REFUSE = """
CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full';
END $$
"""


class Disk:
    """The disk under a store, as full as a test wants it.

    SQLite is told how many pages there are, and says itself that there are no more. A server
    cannot be told: there each table says what the server would.
    """

    def __init__(self, url: str) -> None:
        self.store = Store(url)
        self.store.open()
        self._shared = self.store.url.get_backend_name() == "postgresql"

    async def full(self, desk: Any) -> None:
        await desk.store.write(self._fill)

    async def room(self, desk: Any) -> None:
        await desk.store.write(self._clear) if not self._shared else await self.store.write(
            self._clear
        )

    def _fill(self, connection: sa.Connection) -> None:
        if not self._shared:
            # No fewer than there are: not one more can be had. What is free among them is used up.
            connection.exec_driver_sql("PRAGMA max_page_count = 1")
            return
        connection.exec_driver_sql(REFUSE)
        for name in list(connection.exec_driver_sql(TABLES).scalars()):
            connection.exec_driver_sql(
                f"CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE ON {name} "
                "FOR EACH STATEMENT EXECUTE FUNCTION no_room()"
            )

    def _clear(self, connection: sa.Connection) -> None:
        if not self._shared:
            connection.exec_driver_sql("PRAGMA max_page_count = 1073741823")
            return
        connection.exec_driver_sql("DROP FUNCTION no_room CASCADE")


@pytest.fixture
def disk(database: str) -> Iterator[Disk]:
    under = Disk(database)
    yield under
    under.store.close()


async def fill(push: Any, desk: Any) -> int:
    """Push until it is refused, then less at a time; return how many events were taken."""
    taken = 0
    for length in (20_000, 2_000, 2):
        while await stored(push, desk, {"id": f"{length}-{taken}", "text": "x" * length}):
            taken += 1
            assert taken < 1000, "this disk is endless"
    return taken


async def stored(push: Any, desk: Any, event: dict[str, str]) -> bool:
    """Push an event; a refusal must say what to do."""
    try:
        answer = await push(desk, {"by": event["id"], **event})
    except StoreError as error:
        said = str(error)
        assert desk.store.place in said
        assert "make room" in said
        assert "\n" not in said
        return False
    assert answer.status == 200
    return True


@pytest.mark.slow
async def test_a_full_disk_is_no_success_and_room_is_all_it_takes(
    open_desk: Any, push: Any, settle: Any, disk: Disk
) -> None:
    async with open_desk() as desk:
        assert (await push(desk, QUESTION)).status == 200
        await settle(desk)
        await disk.full(desk)
        taken = await fill(push, desk)
        await disk.room(desk)
        assert (await push(desk, {**QUESTION, "id": "later", "by": "ben"})).status == 200
        await settle(desk, seconds=60)
        ledger = await desk.ledger()
        assert ledger.adds_up, ledger.balances
        assert ledger.fates == {"ticket": 2 + taken}


@pytest.mark.slow
async def test_an_outcome_that_finds_no_room_is_written_when_there_is(
    open_desk: Any, push: Any, settle: Any, until: Any, disk: Disk
) -> None:
    async with open_desk() as desk:
        line = await asked(desk, push, settle)
        sent, taken, answered = slow_network(desk)
        await desk.reply(line.id, "Hello", agent="anna")
        await taken.wait()
        await disk.full(desk)
        await fill(push, desk)
        with capture_logs() as lines:
            answered.set()

            async def tried() -> bool:
                return any(one["event"] == "outbox.not_recorded" for one in lines)

            await until(desk, tried)
        assert any("make room" in one.get("error", "") for one in lines)
        await disk.room(desk)
        await settle(desk, seconds=60)
        assert [(one.state, one.ids) for one in await desk.outbox()] == [("sent", (RECEIPT,))]
        assert len(sent) == 1


@pytest.mark.slow
async def test_an_outcome_that_is_never_written_is_unclear_and_not_sent_again(
    open_desk: Any, push: Any, settle: Any, until: Any, disk: Disk
) -> None:
    async with open_desk(owner="one") as desk:
        line = await asked(desk, push, settle)
        sent, taken, answered = slow_network(desk)
        await desk.reply(line.id, "Hello", agent="anna")
        await taken.wait()
        await disk.full(desk)
        await fill(push, desk)
        answered.set()
    # It has closed in a bounded time, though there was no room for its last words.
    async with open_desk(work=False) as desk:
        await disk.room(desk)
        (state,) = [one.state for one in await desk.outbox()]
        assert state in {"sending", "uncertain"}  # that one word may have found room
    async with open_desk(owner="one") as desk:
        again, _, answered = slow_network(desk)
        answered.set()

        async def looked_for() -> bool:
            return bool(await desk.store.read(lambda c: c.execute(LOOKS).scalar()))

        await until(desk, looked_for)
        assert [one.state for one in await desk.outbox()] == ["uncertain"]
    assert (len(sent), again) == (1, [])


async def asked(desk: Any, push: Any, settle: Any) -> Any:
    """Return the ticket of a question."""
    await push(desk, QUESTION)
    await settle(desk)
    (line,) = await desk.tickets()
    return line


def slow_network(desk: Any) -> tuple[list[str], asyncio.Event, asyncio.Event]:
    """Let the network take replies, and answer when told to; it cannot be asked later."""
    calling, taken, answer = desk.dispatch.addressed, asyncio.Event(), asyncio.Event()
    sent: list[str] = []

    async def slow(name: str, hook: str, record: Any) -> Any:
        if hook == "reconcile":
            return Found(status="unknown")
        if hook != "reply":
            return await calling(name, hook, record)
        sent.append(record.text)
        taken.set()
        await answer.wait()
        return Receipt(ids=(RECEIPT,))

    desk.dispatch.addressed = slow
    return sent, taken, answer


# --- a real disk ----------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system in memory with little room; only root may make one."""
    place = tmp_path / "small"
    place.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={SMALL_DISK}", "tmpfs", str(place)]
    if os.geteuid() or subprocess.run(["mount", *options], check=False).returncode:
        pytest.skip("a file system can be mounted by root alone; the tests above need none")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.mark.slow
async def test_a_full_file_system(
    open_desk: Callable[..., Any], push: Any, settle: Any, small_disk: Path
) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(2_000_000))
    async with open_desk(desk={"store": f"sqlite:///{small_disk / 'desk.db'}"}) as desk:
        taken = await fill(push, desk)
        assert taken
        ballast.unlink()
        assert (await push(desk, {**QUESTION, "id": "later"})).status == 200
        await settle(desk, seconds=60)
        ledger = await desk.ledger()
        assert ledger.adds_up, ledger.balances
        assert sum(ledger.fates.values()) == taken + 1
