"""The database: migrations, refusals, group commit, and workers that share a journal."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from channelmix.errors import StoreError
from channelmix.records import RawEvent, Road
from channelmix.store import journal, migrate
from channelmix.store import schema as s
from channelmix.store.engine import Store
from channelmix.store.types import clean, encode

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def store(tmp_path):
    opened = Store(f"sqlite:///{tmp_path / 'desk.db'}")
    opened.open()
    yield opened
    opened.close()


def arrival(*keys, channel="toy"):
    events = [RawEvent(key=key, body=b"{}", channel=channel) for key in keys]
    return journal.Arrival(scope="app", app="app", road=Road.PUSH, events=events, at=NOW)


def test_the_migrations_make_the_schema(store):
    with sa.create_engine(store.url).connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), s.metadata) == []
    folder = Path(migrate.__file__).with_name("migrations")
    scripts = ScriptDirectory(str(folder))
    assert scripts.get_heads() == [migrate.HEAD]
    assert {one.revision for one in scripts.walk_revisions()} == migrate.KNOWN


def test_a_database_from_a_newer_version_is_refused(store, tmp_path):
    with sqlite3.connect(tmp_path / "desk.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    again = Store(f"sqlite:///{tmp_path / 'desk.db'}")
    with pytest.raises(StoreError, match="newer channelmix"):
        again.open()


def test_a_database_that_cannot_be_written_is_named(tmp_path):
    for path in (tmp_path / "missing" / "desk.db", tmp_path):
        with pytest.raises(StoreError, match=f"store sqlite:///{path}: unable to open"):
            Store(f"sqlite:///{path}").open()
    (tmp_path / "text.db").write_text("this is no database, but long enough to be read as one")
    with pytest.raises(StoreError, match="not a database"):
        Store(f"sqlite:///{tmp_path / 'text.db'}").open()


def test_writes_are_durable_and_do_not_block_reads(store, tmp_path):
    with store._engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"


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
    assert store.commits - before <= 2
    names = await store.read(lambda c: set(c.execute(sa.select(s.observers.c.name)).scalars()))
    assert names == {f"o{n}" for n in range(20)}


async def test_the_same_delivery_is_stored_once_and_counted_twice(store):
    for keys in (["a", "b"], ["b", "c", "c"]):
        await store.write(lambda c, keys=keys: journal.append(c, [arrival(*keys)]))
    counted = await store.read(
        lambda c: c.execute(
            sa.select(sa.func.sum(s.intake.c.events), sa.func.sum(s.intake.c.stored))
        ).one()
    )
    assert tuple(counted) == (5, 3)


async def test_two_workers_never_hold_the_same_event(store, tmp_path):
    await store.write(lambda c: journal.append(c, [arrival(*(str(n) for n in range(30)))]))
    other = Store(f"sqlite:///{tmp_path / 'desk.db'}")
    other.open()

    def lease(owner, now=NOW):
        return lambda c: journal.lease(
            c, owner=owner, now=now, hold=timedelta(seconds=60), limit=20
        )

    one, two = await asyncio.gather(store.write(lease("one")), other.write(lease("two")))
    assert len(one) + len(two) == 30
    assert not {event.id for event in one} & {event.id for event in two}
    later = await store.write(lease("three", NOW + timedelta(minutes=2)))
    assert len(later) == 20
    ids = [event.id for event in one]
    mine = await store.write(lambda c: journal.still_leased(c, "one", ids))
    assert mine.isdisjoint(event.id for event in later)
    other.close()


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
