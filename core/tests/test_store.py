"""The database: migrations, refusals, group commit, and workers that share a journal."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from attrs import evolve, fields
from channelmix.errors import StoreError
from channelmix.records import RawEvent, Road
from channelmix.store import echoes, journal, leases, migrate, views
from channelmix.store import schema as s
from channelmix.store.dialect import among, fetch
from channelmix.store.engine import Store
from channelmix.store.postgresql import Postgresql
from channelmix.store.types import clean, encode

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def store(database):
    opened = Store(database)
    opened.open()
    yield opened
    opened.close()


def arrival(*keys, channel="toy", numbered=False):
    """Events with these keys; `numbered` bodies tell the place of each."""
    bodies = [str(n).encode() if numbered else b"{}" for n in range(len(keys))]
    events = [
        (channel, RawEvent(key=key, body=body)) for key, body in zip(keys, bodies, strict=True)
    ]
    return journal.Arrival(scope="app", app="app", road=Road.PUSH, events=events, at=NOW)


def differences(store):
    """Return what the migrations made of a database that is not as the schema has it."""

    def known(name, kind, parents):
        """Leave out the words of articles, in which each database has tables of its own."""
        return not (kind == "table" and name.startswith("article_words"))

    with store._backend.reading.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_name": known})
        return compare_metadata(context, s.metadata)


def test_the_migrations_make_the_schema(store):
    assert differences(store) == []
    folder = Path(migrate.__file__).with_name("migrations")
    scripts = ScriptDirectory(str(folder))
    assert scripts.get_heads() == [migrate.HEAD]
    assert {one.revision for one in scripts.walk_revisions()} == migrate.KNOWN


@pytest.fixture
def without_tables(database):
    """The URL of a database with nothing in it; one of `database` has the tables of today."""
    url = sa.make_url(database)
    if url.get_backend_name() == "sqlite":
        return f"{database}.empty"
    empty = f"empty_{url.database}"
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {empty}")
    return url.set(database=empty).render_as_string(hide_password=False)


async def test_a_database_of_the_first_version_keeps_its_rows(without_tables, monkeypatch):
    def upgrade_to_first(config, _head):
        real(config, "0001")

    real = command.upgrade
    first = Store(without_tables)
    with monkeypatch.context() as patched:
        patched.setattr(command, "upgrade", upgrade_to_first)
        patched.setattr(migrate, "HEAD", "0001")
        patched.setattr(Postgresql, "permitted", lambda *_: None)  # it asks for today's tables
        first.open()
    said = {"channel": "toy", "action": "hide", "text": "", "by": "anna", "automatic": False}
    said |= {"created_at": 1, "state": "queued"}
    names = ", ".join(f'"{name}"' for name in said)
    row = sa.text(f"INSERT INTO outbox ({names}) VALUES ({', '.join(f':{name}' for name in said)})")
    part = sa.text(
        "INSERT INTO outbox_parts (outbox_id, idx, token, text, attachments, state)"
        " SELECT id, 0, 'token', '', :none, state FROM outbox"
    )
    raw = sa.text(
        "INSERT INTO raw_events"
        " (scope, key, app, channel, account, source, road, body, received_at)"
        " VALUES ('app', 'known', 'app', 'toy', '', 'webhook', 'push', :body, 1)"
    )

    def fill(connection):
        connection.execute(row, said)
        connection.execute(part, {"none": b"[]"})
        connection.execute(raw, {"body": b"{}"})

    await first.write(fill)
    first.close()

    now = Store(without_tables)
    now.open()
    await now.write(lambda c: journal.append(c, arrival("known", "new")))
    assert [event.key for event in await now.write(leasing("later"))] == ["known", "new"]
    [line] = await now.read(views.outbox)
    assert (line.by, line.state, line.details, line.approved_by) == ("anna", "queued", {}, None)
    parts = sa.select(s.outbox_parts.c.channel, s.outbox_parts.c.token)
    assert await now.read(lambda c: c.execute(parts).all()) == [("toy", "token")]
    assert differences(now) == []
    now.close()


async def test_a_database_from_a_newer_version_is_refused(store, database):
    newer = sa.text("UPDATE alembic_version SET version_num = '9999'")
    await store.write(lambda c: c.execute(newer))
    with pytest.raises(StoreError, match="newer channelmix"):
        Store(database).open()


def test_a_database_that_cannot_be_written_is_named(tmp_path):
    for path in (tmp_path / "missing" / "desk.db", tmp_path):
        with pytest.raises(StoreError, match=f"store sqlite:///{path}: unable to open"):
            Store(f"sqlite:///{path}").open()
    (tmp_path / "text.db").write_text("this is no database, but long enough to be read as one")
    with pytest.raises(StoreError, match="not a database"):
        Store(f"sqlite:///{tmp_path / 'text.db'}").open()


def test_writes_are_durable_and_do_not_block_reads(tmp_path):
    store = Store(f"sqlite:///{tmp_path / 'desk.db'}")
    with store._backend.writing.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    store._backend.writing.dispose()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("desk.db", "is no URL"),
        ("mysql://h/d", "mysql is neither"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
    ],
)
def test_a_store_that_cannot_be_is_refused_without_its_password(url, says):
    with pytest.raises(StoreError, match=says):
        Store(url)
    with pytest.raises(StoreError) as caught:
        Store("anna:hunter2@host")
    assert "hunter2" not in str(caught.value)


async def test_who_writes_together_commits_together_and_fails_alone(store):
    def bad(connection):
        connection.execute(s.observers.insert().values(name="bad", position=1))
        raise ValueError("mine alone")

    def slow(connection):
        gate.wait()

    import threading

    gate = threading.Event()
    first = store.write(slow)
    jobs = [
        store.write(lambda c, n=n: c.execute(s.observers.insert().values(name=f"o{n}", position=n)))
        for n in range(20)
    ]
    failing = store.write(bad)
    before = store.commits
    gate.set()
    await first
    await asyncio.gather(*jobs)
    with pytest.raises(ValueError, match="mine alone"):
        await failing
    together = {"sqlite": 2, "postgresql": 22}
    assert store.commits - before <= together[store.url.get_backend_name()]
    names = await store.read(lambda c: set(c.execute(sa.select(s.observers.c.name)).scalars()))
    assert names == {f"o{n}" for n in range(20)}


def leasing(owner="one", now=NOW, limit=20):
    """Make the job that leases events, and returns them."""
    hold = timedelta(seconds=60)
    return lambda c: journal.lease(c, owner=owner, now=now, hold=hold, limit=limit).events


async def counted(store):
    """Return how many events arrived, how many the journal counts, and how many it has."""
    sums = sa.select(sa.func.sum(s.intake.c.events), sa.func.sum(s.intake.c.stored))
    there = sa.select(sa.func.count()).select_from(s.raw_events)
    return await store.read(lambda c: (*c.execute(sums).one(), c.execute(there).scalar()))


@pytest.mark.parametrize("road", Road)
async def test_the_same_delivery_is_settled_once_and_counted_twice(store, road):
    for keys in (["a", "b"], ["b", "c", "c"]):
        came = evolve(arrival(*keys, numbered=True), road=road)
        await store.write(lambda c, came=came: journal.append(c, came))
    at_the_door = {Road.PUSH: 5, Road.POLL: 3}
    assert await counted(store) == (5, at_the_door[road], at_the_door[road])
    leased = await store.write(leasing())
    assert [event.key for event in leased] == ["a", "b", "c"]
    assert [event.body for event in leased] == [b"0", b"1", b"1"], "the first of each is kept"
    assert await counted(store) == (5, 3, 3)
    await store.write(lambda c: journal.append(c, evolve(arrival("c", "d"), road=road)))
    later = NOW + timedelta(minutes=2)
    assert [event.key for event in await store.write(leasing(now=later))] == ["a", "b", "c", "d"]
    assert await counted(store) == (7, 4, 4)


async def test_what_only_came_again_is_counted_so_that_a_worker_looks_behind_it(store):
    await store.write(lambda c: journal.append(c, arrival("a")))
    await store.write(leasing("other"))
    await store.write(lambda c: journal.append(c, arrival(*"aaab")))
    look = partial(journal.lease, owner="one", now=NOW, hold=timedelta(seconds=60), limit=2)
    looks = [await store.write(look) for _ in range(3)]
    assert [([event.key for event in one.events], one.again) for one in looks] == [
        ([], 2),
        (["b"], 1),
        (["b"], 0),
    ]
    assert await counted(store) == (5, 2, 2)


async def test_a_key_is_told_apart_and_counted_in_its_scope_alone(store):
    for scope in ("app:one", "app:two", "app:two"):
        came = evolve(arrival("a"), scope=scope)
        await store.write(lambda c, came=came: journal.append(c, came))
    assert len(await store.write(leasing())) == 2
    table = s.intake.c
    each = sa.select(table.scope, sa.func.sum(table.events), sa.func.sum(table.stored))
    each = each.group_by(table.scope).order_by(table.scope)
    rows = await store.read(lambda c: c.execute(each).all())
    assert [tuple(row) for row in rows] == [("app:one", 1, 1), ("app:two", 2, 1)]


async def test_all_that_a_plugin_fills_in_comes_to_the_worker(store):
    given = RawEvent(key="k", body=b"b", account="a", source="s", cost=0.5)
    filled = {"key", "body", "account", "source", "cost"}
    ours = {"channel", "road", "id", "received_at"}
    assert {one.name for one in fields(RawEvent)} == filled | ours
    came = evolve(arrival(), events=[("toy", given)])
    await store.write(lambda c: journal.append(c, came))
    (event,) = await store.write(leasing())
    # The cost is counted when it arrives, and of no more interest then.
    assert event == evolve(given, channel="toy", id=event.id, received_at=NOW, cost=0.0)


async def test_two_workers_never_hold_the_same_event(store, database):
    await store.write(lambda c: journal.append(c, arrival(*(str(n) for n in range(30)))))
    other = Store(database)
    other.open()

    one, two = await asyncio.gather(store.write(leasing("one")), other.write(leasing("two")))
    assert len(one) + len(two) == 30
    assert not {event.id for event in one} & {event.id for event in two}
    again = await store.write(leasing("one"))
    assert {event.id for event in again} >= {event.id for event in one}
    later = await store.write(leasing("three", NOW + timedelta(minutes=2)))
    assert len(later) == 20
    ids = [event.id for event in one]
    mine = await store.write(lambda c: journal.still_leased(c, "one", ids))
    assert mine.isdisjoint(event.id for event in later)
    other.close()


async def test_a_delivery_key_of_any_length_is_stored_once(store):
    long = "k" * 100_000
    for keys in ([long, long + "x"], [long]):
        await store.write(lambda c, keys=keys: journal.append(c, arrival(*keys)))
    assert len(await store.write(leasing())) == 2


async def test_leasing_looks_only_at_what_is_unsettled(store):
    keys = [str(n) for n in range(3000)]
    await store.write(lambda c: journal.append(c, arrival(*keys)))
    old = s.raw_events.update().where(s.raw_events.c.id <= 2990).values(settled=True)
    await store.write(lambda c: c.execute(old))
    await store.write(lambda c: c.exec_driver_sql("ANALYZE"))

    def lease(connection):
        asked: list[Any] = []
        driver = connection.connection.driver_connection
        if connection.dialect.name == "sqlite":
            driver.set_trace_callback(asked.append)
        else:

            def told(_connection, _cursor, *said):
                asked.append(said[:2])

            sa.event.listen(connection, "before_cursor_execute", told)
        hold = timedelta(seconds=60)
        found = journal.lease(connection, owner="me", now=NOW, hold=hold, limit=100).events
        if connection.dialect.name == "sqlite":
            driver.set_trace_callback(None)
            rows = driver.execute(f"EXPLAIN QUERY PLAN {asked[0]}").fetchall()
        else:
            statement, parameters = asked[0]
            rows = connection.exec_driver_sql(f"EXPLAIN {statement}", parameters).all()
        return len(found), " ".join(str(row) for row in rows)

    found, plan = await store.write(lease)
    assert found == 10
    assert "ix_raw_events_unsettled" in plan


async def test_what_only_one_may_do_is_given_back(store):
    await store.write(lambda c: journal.append(c, arrival("a", "b")))

    assert len(await store.write(leasing("one"))) == 2
    assert await store.write(leasing("two")) == []
    await store.write(lambda c: leases.give_back(c, "one"))
    assert len(await store.write(leasing("two"))) == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_rights_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match="unable to open"):
        Store(f"sqlite:///{tmp_path / 'desk.db'}").open()


def test_text_that_no_database_takes_is_cleaned_the_same_everywhere():
    assert clean("a\x00b\ud800c") == "a\ufffdb\ufffdc"
    assert (
        encode({"a\ud800": ["\udfff", {"b": "\x00"}]})
        == '{"a\ufffd":["\ufffd",{"b":"\ufffd"}]}'.encode()
    )


def test_records_are_learnt_before_several_threads_decode_them():
    """A new process: its threads would each end it if they met a record at the same time."""
    program = (
        "from channelmix import records\n"
        "from channelmix.store import items\n"
        "known = [*records.INBOUNDS.values(), records.Attachment, records.Identity]\n"
        "print([one.__name__ for one in known if '__msgspec_cache__' not in vars(one)])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout == b"[]\n"


def test_a_list_of_pairs_is_found_by_the_index_on_sqlite(tmp_path):
    opened = Store(f"sqlite:///{tmp_path / 'pairs.db'}")
    opened.open()
    table = s.messages
    with sa.create_engine(opened.url).connect() as connection:
        wanted = among("pairs", table.c.channel, table.c.external_id)
        text = sa.select(table.c.id).where(wanted).compile(connection)
        pairs = ('[["page", "c1"], ["page", "c2"]]',)
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", pairs).all()
    opened.close()
    assert any("SEARCH messages USING" in row[3] for row in plan), plan


async def test_a_list_of_parameters_is_refused_where_statements_are_compiled_once(tmp_path):
    opened = Store(f"sqlite:///{tmp_path / 'desk.db'}")
    opened.open()
    key = s.raw_events.c.key
    listed = sa.select(key).where(key.in_(sa.bindparam("keys", expanding=True)))
    with pytest.raises(ValueError, match=r"keys: .*; use among\(\)"):
        await opened.read(lambda connection: fetch(connection, listed, {"keys": ["a", "b"]}))
    opened.close()


async def test_rows_are_found_whatever_their_text_and_numbers(store):
    names = ["it's", '"quoted"', "100 %", "[1]", "a\x00b", "\ud800", "ü", ""]
    rows = [{"channel": "page", "external_id": one} for one in names]
    table = s.threads
    by_name = sa.select(table.c.id, table.c.external_id).where(
        among("rows", table.c.channel, table.c.external_id)
    )
    by_number = sa.select(table.c.external_id).where(among("ids", table.c.id))
    by_text = sa.select(table.c.external_id).where(among("texts", table.c.external_id))

    def job(connection):
        connection.execute(table.insert(), rows)
        pairs = [("page", one) for one in names] + [("page", "other"), ("other", "ü")]
        found = connection.execute(by_name, {"rows": pairs}).all()
        ids = [row.id for row in found if row.external_id == "ü"]
        none = connection.execute(by_number, {"ids": []}).all()
        assert {row.external_id for row in fetch(connection, by_text, {"texts": names})} == {
            clean(name) for name in names
        }
        return (
            {row.external_id for row in found},
            connection.execute(by_number, {"ids": ids}).scalars().all(),
            none,
        )

    found, one, none = await store.write(job)
    assert found == {clean(name) for name in names}
    assert one == ["ü"]
    assert none == []


async def test_a_row_that_cannot_be_read_is_trouble_with_the_store(tmp_path):
    def breaks(number):
        return 1 // (2 - number)

    opened = Store(f"sqlite:///{tmp_path / 'desk.db'}")
    opened.open()
    rows = [{"channel": "page", "external_id": name} for name in "ab"]
    await opened.write(lambda c: c.execute(s.threads.insert(), rows))

    def job(connection):
        connection.connection.driver_connection.create_function("breaks", 1, breaks)
        return fetch(connection, sa.select(sa.func.breaks(s.threads.c.id)), {})

    with pytest.raises(StoreError, match="user-defined function"):
        await opened.read(job)
    opened.close()


async def test_a_token_that_no_database_takes_is_nobodys(store):
    assert await store.read(lambda c: echoes._by_token(c, "\0\ud800")) is None


@pytest.mark.timeout(60)
def test_closing_ends_every_writer(database):
    for _ in range(20):
        opened = Store(database)
        opened.open()
        opened.close()
        assert not any(writer.is_alive() for writer in opened._writers)
