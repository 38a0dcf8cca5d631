"""A toy network and a desk on it, for the core's own tests."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import attrs
import pytest
import structlog
from channelmix import Channel, InvalidPayload, Uncertain, hook, loops
from channelmix.desk import Desk
from channelmix.records import (
    Action,
    Article,
    Attachment,
    AttachmentKind,
    Deletion,
    Echo,
    Edit,
    Found,
    Identity,
    Ignored,
    Inbound,
    Ingested,
    Kind,
    Limits,
    Lookup,
    Message,
    Outgoing,
    Payload,
    Poll,
    Polled,
    RawEvent,
    Receipt,
    Received,
    Source,
    Split,
    Unlocked,
    WebhookRequest,
    WebhookResponse,
    hours,
    minutes,
)
from channelmix.store.engine import Store
from channelmix.testing.postgresql import (  # noqa: F401 - fixtures
    postgresql,
    start_postgresql,
)


@attrs.frozen(kw_only=True)
class ToyConfig:
    account_id: str = "acme"


@attrs.define(eq=False, kw_only=True, slots=False)
class Toy(Channel):
    """A network whose events are JSON objects: what they mean is what they say."""

    network: ClassVar[str] = "toy"
    Config = ToyConfig
    account_field: ClassVar[str] = "account_id"
    sources: ClassVar = [
        Source(name="feed", every=minutes(1), sweep=minutes(5)),
        Source(name="one"),
    ]
    limits: ClassVar = [
        Limits(
            actions={Action.PRIVATE_REPLY},
            kinds={Kind.DIRECT_MESSAGE},
            text=50,
            window=hours(24),
            human_window=hours(24 * 7),
            attachments=1,
            media={AttachmentKind.IMAGE},
            text_with_media=False,
            settle=minutes(0),
        ),
        Limits(actions={Action.PUBLIC_REPLY}, text=100, settle=minutes(0)),
        Limits(actions={Action.PRIVATE_REPLY}, text=50, once=True, window=hours(24 * 7)),
        Limits(actions={Action.HIDE, Action.UNHIDE}),
    ]

    feed: list[dict[str, Any]] = attrs.field(factory=list, init=False)
    arrived: list[Outgoing] = attrs.field(factory=list, init=False)
    faults: list[BaseException] = attrs.field(factory=list, init=False)
    """What is raised when it is to reply."""
    poll_faults: list[BaseException] = attrs.field(factory=list, init=False)
    """What is raised when it is polled."""
    locks: list[BaseException] = attrs.field(factory=list, init=False)
    """What is raised when it is asked how files are got."""
    lost: bool = attrs.field(default=False, init=False)
    """The next reply is not taken, and the answer is a time-out."""

    @hook
    def receive(self, request: WebhookRequest) -> Received:
        if request.headers.get("x-key") != "good":
            return Received.refuse("bad signature")
        return Received(response=WebhookResponse(body="ok"), payload=request.body)

    @hook
    def split(self, payload: Payload) -> Split:
        try:
            found = json.loads(payload.body)
        except (ValueError, RecursionError) as error:
            raise InvalidPayload("not JSON") from error
        if not isinstance(found, list):
            raise InvalidPayload("not a list")
        return Split(events=tuple(self._event(one) for one in found))

    def _event(self, one: Any) -> RawEvent:
        body = json.dumps(one).encode()
        account = one.get("account", "acme") if isinstance(one, dict) else ""
        return RawEvent(key=hashlib.sha256(body).hexdigest(), body=body, account=account)

    @hook
    async def poll(self, wanted: Poll) -> Polled:
        if self.poll_faults:
            raise self.poll_faults.pop(0)
        if wanted.argument is not None:
            found = [one for one in self.feed if one["id"] == wanted.argument]
            return Polled(events=tuple(self._event(one) for one in found))
        start = wanted.cursor or 0
        page = self.feed[start : start + 2]
        return Polled(
            events=tuple(self._event(one) for one in page),
            cursor=start + len(page),
            more=start + len(page) < len(self.feed),
        )

    @hook
    def ingest(self, event: RawEvent) -> Ingested:
        one = json.loads(event.body)
        if not isinstance(one, dict):
            raise InvalidPayload("not an object")
        return Ingested(inbounds=(self._inbound(one),))

    def _inbound(self, one: dict[str, Any]) -> Inbound:  # noqa: PLR0911 - one for each type
        at = datetime.fromtimestamp(one.get("at", 1_700_000_000), UTC)
        match one.get("type", "message"):
            case "message":
                return self._message(one, at)
            case "own":
                return attrs.evolve(self._message(one, at), own=True)
            case "echo":
                said = attrs.evolve(self._message(one, at), own=True)
                return Echo(message=said, token=one.get("token"))
            case "edit":
                return Edit(id=one["id"], at=at, revision=str(at), text=one["text"])
            case "deletion":
                return Deletion(id=one["id"], at=at)
            case "article":
                names = ("title", "url", "text", "language")
                told = {name: one[name] for name in names if name in one}
                topics = tuple(one.get("topics", ()))
                return Article(id=one["id"], published_at=at, topics=topics, **told)
            case "lookup":
                return Lookup(source="one", argument=one["id"])
            case "bug":
                raise KeyError(one["type"])
            case other:
                return Ignored(reason=f"unknown {other}")

    def _message(self, one: dict[str, Any], at: datetime) -> Message:
        by = one.get("by")
        return Message(
            id=one["id"],
            kind=Kind(one.get("kind", "comment")),
            thread=one.get("thread", "post-1"),
            parent=one.get("parent"),
            author=Identity(id=by, name=by.title()) if by else None,
            text=one.get("text"),
            sent_at=at,
            attachments=tuple(
                Attachment(kind=AttachmentKind.IMAGE, url=url) for url in one.get("photos", ())
            ),
        )

    @hook
    async def unlock(self, attachment: Attachment) -> Unlocked | None:
        if self.locks:
            raise self.locks.pop(0)
        return None

    @hook
    async def reply(self, outgoing: Outgoing) -> Receipt:
        if self.lost:
            self.lost = False
            raise Uncertain("timed out")
        fault = self.faults.pop(0) if self.faults else None
        if fault is not None and not isinstance(fault, Uncertain):
            raise fault
        self.arrived.append(outgoing)
        if fault is not None:
            raise fault
        return Receipt(ids=(f"r{len(self.arrived)}",))

    @hook
    async def reconcile(self, outgoing: Outgoing) -> Found:
        for number, one in enumerate(self.arrived, 1):
            if one.text == outgoing.text and f"r{number}" not in outgoing.taken:
                return Found(status="found", ids=(f"r{number}",))
        return Found(status="absent")


@pytest.fixture(autouse=True)
def log_as_it_was() -> Iterator[None]:
    """Undo what a command set up: before version 26, capturing lines keeps its level."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def toy() -> type[Toy]:
    """The toy network, to make another of."""
    return Toy


Settings = Callable[..., dict[str, Any]]
OpenDesk = Callable[..., AbstractAsyncContextManager[Desk]]


@pytest.fixture(scope="session")
def sqlite_with_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file as the migrations make it: copying it takes a hundredth of making it."""
    file = tmp_path_factory.mktemp("sqlite") / "tables.db"
    store = Store(f"sqlite:///{file}")
    store.open()
    store.close()
    return file


@pytest.fixture(params=["sqlite", "postgresql"])
def new_database(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """The URL of another database at each call, of the kind that the test runs on."""
    if request.param == "postgresql":
        shared: Callable[[], str] = request.getfixturevalue("postgresql")
        return shared
    made: Path = request.getfixturevalue("sqlite_with_tables")
    numbers = itertools.count()

    def another() -> str:
        file = tmp_path / f"desk{next(numbers)}.db"
        shutil.copyfile(made, file)
        return f"sqlite:///{file}"

    return another


@pytest.fixture
def database(new_database: Callable[[], str]) -> str:
    return new_database()


@pytest.fixture
def toy_settings(tmp_path: Path, database: str) -> Settings:
    def make(**sections: Any) -> dict[str, Any]:
        return {
            "desk": {
                "store": database,
                "media": str(tmp_path / "media"),
            },
            "channels": {"toy": {"network": "toy", "account_id": "acme"}},
            **sections,
        }

    return make


@pytest.fixture
def open_desk(toy_settings: Settings) -> OpenDesk:
    @asynccontextmanager
    async def opened(*, classes: Any = None, **options: Any) -> AsyncIterator[Desk]:
        keys = {key: options.pop(key) for key in ("work", "clock", "owner") if key in options}
        known = {"toy": Toy, **(classes or {})}
        async with Desk.open(toy_settings(**options), plugins=known, **keys) as desk:
            yield desk

    return opened


@pytest.fixture
def until() -> Callable[..., Any]:
    """Wait until an asynchronous condition holds; looked at again whenever the desk rings."""

    async def wait(desk: Desk, condition: Callable[[], Any], *, seconds: float = 15) -> None:
        event = desk.bell.listen()
        async with asyncio.timeout(seconds):
            while not await condition():
                await loops.wait(event, 0.05)
        desk.bell.leave(event)

    return wait


@pytest.fixture
def settle() -> Callable[..., Any]:
    """Wait until a desk has nothing left to do."""

    async def wait(desk: Desk, *, seconds: float = 15) -> None:
        async with asyncio.timeout(seconds):
            await desk.drain()

    return wait


@pytest.fixture
def push() -> Callable[..., Any]:
    async def send(desk: Desk, *events: dict[str, Any], app: str = "toy") -> WebhookResponse:
        request = WebhookRequest(
            method="POST", headers={"x-key": "good"}, body=json.dumps(events).encode()
        )
        return await desk.receive(app, request)

    return send


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the second database to `make test`: the quick check has seen the same on the first."""
    for item in items:
        if "[postgresql" in item.nodeid:
            item.add_marker("slow")
