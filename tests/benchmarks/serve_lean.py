"""A child: the whole road written by hand, lean: raw ASGI, sqlite3, one writer, group commit.

One table for each step (event, message, ticket, reply), and nothing that somebody in a hurry to
be fast would write: no leases, no projection, no ledger, no second look at anything. It calls out
with the same HTTP client as a channel, bounded and logged, which is most of what it does.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import click
import httpx
import msgspec
from channelmix import http, log

from tests.benchmarks.children import obey
from tests.benchmarks.measuring import SERVER, pin
from tests.benchmarks.network import ANSWER, REPLIES, SIGNATURE, Said, authentic
from tests.benchmarks.serving import Receive, Scope, Send, answer, body_of, run, served

SCHEMA = """
create table events (id integer primary key, key text not null unique, body blob not null);
create table messages (
    id integer primary key, event integer not null, external_id text not null unique,
    thread text not null, person text not null, text text not null, sent_at integer not null
);
create table tickets (
    id integer primary key, thread text not null, person text not null, state text not null,
    agent text not null, message integer not null, unique (thread, person)
);
create table replies (
    id integer primary key, ticket integer not null, text text not null, external_id text not null
);
"""
BATCH = 100
AT_ONCE = 8
"""How many answers are under way, as in a channel of ours."""
Job = tuple[Callable[[sqlite3.Connection], Any], "Future[Any]"]


class Writer:
    """One thread that writes; whatever waits shares a commit."""

    def __init__(self, file: Path) -> None:
        self._jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._connection = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
        self._connection.executescript("pragma journal_mode=wal; pragma synchronous=full;" + SCHEMA)
        threading.Thread(target=self._work, daemon=True).start()

    async def write(self, job: Callable[[sqlite3.Connection], Any]) -> Any:
        """Do `job` and return what it returns, after the commit."""
        future: Future[Any] = Future()
        self._jobs.put((job, future))
        return await asyncio.wrap_future(future)

    def _work(self) -> None:
        while True:
            batch = [self._jobs.get()]
            while not self._jobs.empty() and len(batch) < 256:
                batch.append(self._jobs.get())
            self._connection.execute("begin immediate")
            done = [(future, job(self._connection)) for job, future in batch]
            self._connection.execute("commit")
            for future, result in done:
                future.set_result(result)


class Road:
    """Webhook, event, message, ticket, reply."""

    def __init__(self, writer: Writer, client: httpx.AsyncClient, api_url: str) -> None:
        self._writer = writer
        self._client = client
        self._url = api_url + REPLIES
        self._agents = cycle(["anna", "mehmet"])
        self._stored: asyncio.Queue[tuple[int, Said]] = asyncio.Queue()
        self._opened: asyncio.Queue[tuple[int, str]] = asyncio.Queue()

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check, store, answer."""
        body = await body_of(receive)
        if not authentic(dict(scope["headers"])[SIGNATURE.encode()].decode(), body):
            await answer(send, 401, b"bad signature")
            return
        said = msgspec.json.decode(body, type=list[Said])
        rows = [(one.id, msgspec.json.encode(one)) for one in said]
        ids = await self._writer.write(partial(_insert_events, rows=rows))
        for event, one in zip(ids, said, strict=True):
            if event:
                self._stored.put_nowait((event, one))
        await answer(send, 200, b"ok")

    async def open_tickets(self) -> None:
        """Make messages and tickets, as many at once as there are."""
        while True:
            batch = [await self._stored.get()]
            while not self._stored.empty() and len(batch) < BATCH:
                batch.append(self._stored.get_nowait())
            rows = [(event, said, next(self._agents)) for event, said in batch]
            opened = await self._writer.write(partial(_insert_tickets, rows=rows))
            for one in opened:
                self._opened.put_nowait(one)

    async def reply(self) -> None:
        """Answer one ticket after the other."""
        while True:
            ticket, target = await self._opened.get()
            response = await self._client.post(self._url, json={"to": target, "text": ANSWER})
            row = (ticket, ANSWER, response.raise_for_status().json()["id"])
            await self._writer.write(partial(_insert_reply, row=row))


def _insert_events(connection: sqlite3.Connection, rows: Sequence[tuple[str, bytes]]) -> list[int]:
    """Return the id of each; 0 for one that is there already."""
    statement = "insert into events (key, body) values (?, ?) on conflict do nothing"
    made = [connection.execute(statement, row) for row in rows]
    return [one.lastrowid or 0 if one.rowcount else 0 for one in made]


def _insert_tickets(
    connection: sqlite3.Connection, rows: Sequence[tuple[int, Said, str]]
) -> list[tuple[int, str]]:
    """Return ticket and message of each new one."""
    opened = []
    for event, said, agent in rows:
        message = connection.execute(
            "insert into messages (event, external_id, thread, person, text, sent_at)"
            " values (?, ?, ?, ?, ?, ?)",
            (event, said.id, said.thread, said.by, said.text, said.at),
        ).lastrowid
        ticket = connection.execute(
            "insert into tickets (thread, person, state, agent, message) values (?, ?, ?, ?, ?)"
            " on conflict do nothing",
            (said.thread, said.by, "open", agent, message),
        )
        if ticket.rowcount:
            opened.append((ticket.lastrowid or 0, said.id))
    return opened


def _insert_reply(connection: sqlite3.Connection, row: tuple[int, str, str]) -> None:
    connection.execute("insert into replies (ticket, text, external_id) values (?, ?, ?)", row)
    connection.execute("update tickets set state = 'answered' where id = ?", row[:1])


async def main(file: Path, api_url: str) -> None:
    """Serve until told to end."""
    async with http.client(channel="bench", log=log.get_logger(), concurrency=AT_ONCE) as client:
        road = Road(Writer(file), client, api_url)
        work = [road.open_tickets(), *(road.reply() for _ in range(AT_ONCE))]
        tasks = [asyncio.create_task(one) for one in work]
        async with served(road.app) as url:
            await obey({}, url)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("api_url")
def command(file: Path, api_url: str) -> None:
    """Serve on the database FILE."""
    pin(SERVER)
    log.configure(json=True)
    run(main(file, api_url))


if __name__ == "__main__":
    command()
