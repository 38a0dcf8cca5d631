"""A child: the whole road as it is usually written by hand.

FastAPI, the ORM of SQLAlchemy, a session and a commit for each step, a background task, one
shared httpx client. SQLite is told the same as ours: WAL and full durability.
"""

from __future__ import annotations

from itertools import cycle
from pathlib import Path
from typing import Any

import click
import httpx
import msgspec
from fastapi import BackgroundTasks, FastAPI, HTTPException, Request
from sqlalchemy import ForeignKey, create_engine, event, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

from tests.benchmarks.children import obey
from tests.benchmarks.measuring import SERVER, pin
from tests.benchmarks.network import ANSWER, REPLIES, SIGNATURE, authentic
from tests.benchmarks.serving import run, served

AGENTS = cycle(["anna", "mehmet"])


class Base(DeclarativeBase):
    """The tables."""


class Event(Base):
    """What came."""

    __tablename__ = "events"
    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    body: Mapped[bytes]
    done: Mapped[bool] = mapped_column(default=False)


class Message(Base):
    """What it says."""

    __tablename__ = "messages"
    id: Mapped[int] = mapped_column(primary_key=True)
    event_id: Mapped[int] = mapped_column(ForeignKey("events.id"))
    external_id: Mapped[str] = mapped_column(unique=True)
    thread: Mapped[str] = mapped_column(index=True)
    person: Mapped[str]
    text: Mapped[str]
    sent_at: Mapped[int]


class Ticket(Base):
    """Who takes it."""

    __tablename__ = "tickets"
    id: Mapped[int] = mapped_column(primary_key=True)
    message_id: Mapped[int] = mapped_column(ForeignKey("messages.id"))
    thread: Mapped[str] = mapped_column(index=True)
    person: Mapped[str] = mapped_column(index=True)
    state: Mapped[str]
    agent: Mapped[str | None]


class Reply(Base):
    """What was answered."""

    __tablename__ = "replies"
    id: Mapped[int] = mapped_column(primary_key=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("tickets.id"))
    text: Mapped[str]
    state: Mapped[str]
    external_id: Mapped[str | None]


def sessions(file: Path) -> sessionmaker[Session]:
    """Make the tables."""
    engine = create_engine(f"sqlite:///{file}")

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: Any) -> None:
        connection.execute("pragma journal_mode=wal")
        connection.execute("pragma synchronous=full")

    Base.metadata.create_all(engine)
    return sessionmaker(engine)


class Steps:
    """What is done with an event, each step in a session of its own.

    The endpoint has no session by `Depends`: that would hold a connection until the background
    task is over, which needs one itself, and under load all would wait for each other.
    """

    def __init__(self, make: sessionmaker[Session], client: httpx.AsyncClient, url: str) -> None:
        self._make = make
        self._client = client
        self._url = url

    def store(self, said: dict[str, Any]) -> int | None:
        """Keep an event; None if it is there already."""
        with self._make() as session:
            if session.scalars(select(Event).filter_by(key=said["id"])).first() is not None:
                return None
            stored = Event(key=said["id"], body=msgspec.json.encode(said))
            session.add(stored)
            session.commit()
            return stored.id

    async def process(self, event_id: int) -> None:
        """Take one event all the way."""
        ticket_id = self._open(self._message(event_id))
        if ticket_id is not None:
            self._assign(ticket_id)
            await self._send(*self._draft(ticket_id))
        self._finish(event_id)

    def _message(self, event_id: int) -> int:
        with self._make() as session:
            said = msgspec.json.decode(session.get_one(Event, event_id).body)
            message = Message(
                event_id=event_id,
                external_id=said["id"],
                thread=said["thread"],
                person=said["by"],
                text=said["text"],
                sent_at=said["at"],
            )
            session.add(message)
            session.commit()
            return message.id

    def _open(self, message_id: int) -> int | None:
        with self._make() as session:
            message = session.get_one(Message, message_id)
            same = select(Ticket).filter_by(thread=message.thread, person=message.person)
            if session.scalars(same).first() is not None:
                return None
            ticket = Ticket(
                message_id=message_id, thread=message.thread, person=message.person, state="open"
            )
            session.add(ticket)
            session.commit()
            return ticket.id

    def _assign(self, ticket_id: int) -> None:
        with self._make() as session:
            session.get_one(Ticket, ticket_id).agent = next(AGENTS)
            session.commit()

    def _draft(self, ticket_id: int) -> tuple[int, str]:
        with self._make() as session:
            message = session.get_one(Message, session.get_one(Ticket, ticket_id).message_id)
            reply = Reply(ticket_id=ticket_id, text=ANSWER, state="sending")
            session.add(reply)
            session.commit()
            return reply.id, message.external_id

    async def _send(self, reply_id: int, target: str) -> None:
        response = await self._client.post(self._url, json={"to": target, "text": ANSWER})
        with self._make() as session:
            reply = session.get_one(Reply, reply_id)
            reply.state, reply.external_id = "sent", response.raise_for_status().json()["id"]
            session.get_one(Ticket, reply.ticket_id).state = "answered"
            session.commit()

    def _finish(self, event_id: int) -> None:
        with self._make() as session:
            session.get_one(Event, event_id).done = True
            session.commit()


app = FastAPI()


@app.post("/webhooks/{name}")
async def webhook(
    name: str,
    request: Request,
    background: BackgroundTasks,
) -> dict[str, bool]:
    """Check, store, and leave the rest to the background."""
    body = await request.body()
    if not authentic(request.headers.get(SIGNATURE, ""), body):
        raise HTTPException(401, "bad signature")
    steps: Steps = request.app.state.steps
    for said in msgspec.json.decode(body):
        stored = steps.store(said)
        if stored is not None:
            background.add_task(steps.process, stored)
    return {"ok": True}


async def main(file: Path, api_url: str) -> None:
    """Serve until told to end."""
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        app.state.steps = Steps(sessions(file), client, api_url + REPLIES)
        async with served(app) as url:
            await obey({}, url)


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("api_url")
def command(file: Path, api_url: str) -> None:
    """Serve on the database FILE."""
    pin(SERVER)
    run(main(file, api_url))


if __name__ == "__main__":
    command()
