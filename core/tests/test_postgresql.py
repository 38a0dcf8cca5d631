"""PostgreSQL in trouble: away, back, replaced, forbidden; and collisions nobody notices."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from channelmix.errors import StoreError
from channelmix.records import RawEvent, Receipt, Road
from channelmix.store import journal
from channelmix.store import schema as s
from channelmix.store.engine import Store
from channelmix.store.postgresql import AS_IT_IS, BY_INDEX, SESSION, Postgresql
from channelmix.testing.clock import FakeClock

QUESTION = {"id": "c1", "by": "eva", "text": "Where is my parcel?"}


@pytest.fixture
def new_database(postgresql: Callable[[], str]) -> Callable[[], str]:
    return postgresql


@pytest.fixture(scope="module")
def own_server(
    start_postgresql: Callable[[Path], Any], tmp_path_factory: pytest.TempPathFactory
) -> Any:
    """A server that a test may stop."""
    return start_postgresql(tmp_path_factory.mktemp("server"))


@pytest.fixture
def store(postgresql: Callable[[], str]) -> Iterator[Store]:
    opened = Store(postgresql())
    opened.open()
    yield opened
    opened.close()


def as_admin(url: str, *statements: str) -> None:
    with psycopg.connect(url, dbname="postgres", autocommit=True) as admin:
        for statement in statements:
            admin.execute(statement)


def test_no_server_is_one_clear_line() -> None:
    store = Store("postgresql://anna:hunter2@127.0.0.1:1/desk")
    with pytest.raises(StoreError, match=r"store postgresql://anna:\*\*\*@127.*refused") as caught:
        store.open()
    assert "\n" not in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_without_its_driver_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "psycopg", None)
    with pytest.raises(StoreError, match=r"install channelmix\[postgresql\]"):
        Store("postgresql://anna:hunter2@host/desk")


def test_what_the_url_says_itself_stands() -> None:
    query = {"host": "/run/pg", "port": "5433", "connect_timeout": "3", "options": "-c a=b"}
    url = sa.make_url("postgresql://anna@/desk").set(query=query)
    backend = Postgresql.of(url)
    for engine, own in ((backend.writing, BY_INDEX), (backend.reading, AS_IT_IS)):
        _, told = engine.dialect.create_connect_args(engine.url)
        assert (told["host"], told["port"], told["connect_timeout"]) == ("/run/pg", "5433", "3")
        assert told["tcp_user_timeout"] == "30000"
        assert told["options"] == f"{SESSION} {own} -c a=b"


@pytest.mark.slow
async def test_a_backlog_of_what_came_again_takes_no_locks(store: Store) -> None:
    """The server keeps the locks of all its databases in one small table."""
    keys = [str(number) for number in range(20)]
    events = [("toy", RawEvent(key=key, body=b"{}")) for key in keys]
    now = datetime(2026, 3, 1, tzinfo=UTC)
    came = journal.Arrival(scope="toy", app="toy", road=Road.PUSH, events=events, at=now)
    held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"

    def look(connection: sa.Connection, owner: str) -> tuple[int, int, Any]:
        hold = timedelta(minutes=1)
        found = journal.lease(connection, owner=owner, now=now, hold=hold, limit=100)
        return len(found.events), found.again, connection.exec_driver_sql(held).scalar()

    await store.write(lambda c: journal.append(c, came))
    assert await store.write(lambda c: look(c, "one")) == (20, 0, 20)
    await store.write(lambda c: journal.append(c, came))
    assert await store.write(lambda c: look(c, "two")) == (0, 20, 0)


@pytest.mark.slow
def test_a_role_without_rights_is_named(postgresql: Callable[[], str]) -> None:
    url = postgresql()
    name = sa.make_url(url).database
    as_admin(url, f"CREATE ROLE poor_{name} LOGIN", f"CREATE DATABASE empty_{name}")
    poor = sa.make_url(url).set(username=f"poor_{name}", password=None)
    with pytest.raises(StoreError, match=f"poor_{name}.*permission denied for table"):
        Store(poor.render_as_string()).open()
    with psycopg.connect(url) as connection:
        connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO poor_{name}")
    with pytest.raises(StoreError, match=f"role poor_{name} lacks INSERT on raw_events, UPDATE on"):
        Store(poor.render_as_string()).open()
    with pytest.raises(StoreError, match=f"poor_{name}.*permission denied for schema"):
        Store(poor.set(database=f"empty_{name}").render_as_string()).open()


async def test_a_fresh_database_in_its_place_is_refused(
    open_desk: Any, database: str, push: Any
) -> None:
    name, url = sa.make_url(database).database, database
    async with open_desk(work=False) as desk:
        await push(desk, QUESTION)
        as_admin(url, f"DROP DATABASE {name} WITH (FORCE)", f"CREATE DATABASE {name}")
        for _ in range(2):
            with pytest.raises(StoreError, match="another database, or an empty one"):
                await push(desk, QUESTION)
        with pytest.raises(StoreError, match="another database, or an empty one"):
            await desk.tickets()
        with psycopg.connect(url) as connection:
            tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
            assert connection.execute(tables).fetchone() == (0,)


async def test_another_desks_database_in_its_place_is_refused(
    open_desk: Any, database: str, push: Any
) -> None:
    name = sa.make_url(database).database
    async with open_desk(work=False) as desk:
        await push(desk, QUESTION)
        with psycopg.connect(database) as connection:
            connection.execute("UPDATE origin SET id = 'that of another desk'")
        others = f"datname = '{name}' AND pid <> pg_backend_pid()"
        as_admin(database, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")
        with pytest.raises(StoreError, match="another database, or an empty one"):
            await push(desk, QUESTION)
        with psycopg.connect(database) as connection:
            count = connection.execute("SELECT count(*) FROM raw_events").fetchone()
            assert count == (1,), "nothing is mixed into what is another's"


@pytest.mark.slow
@pytest.mark.parametrize("away", [timedelta(minutes=1), timedelta(hours=1)], ids=str)
async def test_a_server_that_is_away_for_a_while_costs_nothing(
    open_desk: Any, own_server: Any, push: Any, settle: Any, until: Any, away: timedelta
) -> None:
    """An hour is longer than every lease: nobody takes the reply for lost that is on its way."""
    clock = FakeClock(datetime(2026, 3, 1, 12, tzinfo=UTC))
    name = f"away_{away.seconds}"
    as_admin(own_server.get_uri(), f"CREATE DATABASE {name}")
    store = own_server.get_uri(database=name)
    async with open_desk(desk={"store": store}, clock=clock) as desk:
        await push(desk, QUESTION)
        await settle(desk)
        (line,) = await desk.tickets()
        calling, taken, answered = desk.dispatch.addressed, asyncio.Event(), asyncio.Event()
        sent: list[str] = []

        async def slow(name: str, hook: str, record: Any) -> Any:
            if hook != "reply":
                return await calling(name, hook, record)
            sent.append(record.text)
            taken.set()
            await answered.wait()
            return Receipt(ids=("r1",))

        desk.dispatch.addressed = slow
        await desk.reply(line.id, "Hello", agent="anna")
        await taken.wait()
        await asyncio.to_thread(own_server.stop)
        answered.set()
        for _ in range(2):
            with pytest.raises(StoreError, match="store postgresql"):
                await push(desk, {**QUESTION, "id": "c2"})
        clock.advance(away)
        await asyncio.to_thread(own_server.ensure_postgres_running)
        await push(desk, {**QUESTION, "id": "c2"})
        await settle(desk, seconds=30)
        assert [(one.state, one.ids) for one in await desk.outbox()] == [("sent", ("r1",))]
        assert sent == ["Hello"]
        ledger = await desk.ledger()
        assert ledger.adds_up, ledger.balances
        assert ledger.fates == {"ticket": 2}


# --- collisions ------------------------------------------------------------------------------


@pytest.mark.slow
async def test_a_deadlock_is_tried_again(store: Store) -> None:
    names = ["a", "b"]
    rows = [{"name": name, "position": 0} for name in names]
    await store.write(lambda c: c.execute(s.observers.insert(), rows))
    meet, runs = threading.Barrier(2), []

    def both(order: list[str]) -> Callable[[sa.Connection], None]:
        def job(connection: sa.Connection) -> None:
            runs.append(order)
            for name in order:
                table = s.observers
                one = table.update().where(table.c.name == name)
                connection.execute(one.values(position=table.c.position + 1))
                if len(runs) <= 2 and name == order[0]:
                    meet.wait(10)

        return job

    await asyncio.gather(store.write(both(names)), store.write(both(names[::-1])))
    positions = sa.select(s.observers.c.position)
    assert await store.read(lambda c: list(c.execute(positions).scalars())) == [2, 2]
    assert len(runs) >= 3  # two may well meet again


async def test_a_connection_that_breaks_is_made_again(store: Store) -> None:
    runs = []

    def job(connection: sa.Connection) -> int:
        runs.append(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar())
        connection.execute(s.observers.insert().values(name="a", position=1))
        if len(runs) == 1:
            as_admin(store.url.render_as_string(False), f"SELECT pg_terminate_backend({runs[0]})")
        return connection.execute(sa.select(sa.func.count()).select_from(s.observers)).scalar() or 0

    assert await store.write(job) == 1
    assert len(set(runs)) == 2


async def test_reading_sees_one_moment(store: Store) -> None:
    count = sa.select(sa.func.count()).select_from(s.observers)
    looked, written = threading.Event(), threading.Event()

    def look_twice(connection: sa.Connection) -> tuple[Any, Any]:
        before = connection.execute(count).scalar()
        looked.set()
        written.wait(10)
        return before, connection.execute(count).scalar()

    looking = asyncio.ensure_future(store.read(look_twice))
    await asyncio.to_thread(looked.wait, 10)
    await store.write(lambda c: c.execute(s.observers.insert().values(name="a", position=1)))
    written.set()
    assert await looking == (0, 0)
    assert await store.read(lambda c: c.execute(count).scalar()) == 1


async def test_two_processes_that_start_together_make_the_tables_once(
    postgresql: Callable[[], str],
) -> None:
    url = postgresql()
    empty = f"new_{sa.make_url(url).database}"
    as_admin(url, f"CREATE DATABASE {empty}")
    stores = [Store(sa.make_url(url).set(database=empty).render_as_string(False)) for _ in range(3)]
    await asyncio.gather(*(asyncio.to_thread(one.open) for one in stores))
    origins = {one._origin for one in stores}
    for one in stores:
        one.close()
    assert len(origins) == 1
