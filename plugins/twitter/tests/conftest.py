import base64
import contextlib
import json
import re
import warnings
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
from attrs import define
from channelmix.desk import Desk
from channelmix.records import Action, Kind, Message, Outgoing, Payload
from channelmix.testing.clock import FakeClock
from channelmix.testing.simulator import NO_TRUST, Request
from channelmix_twitter import parsing
from channelmix_twitter.parsing_context import Context
from channelmix_twitter.plugin import Twitter
from channelmix_twitter.simulator import XSimulator, multipart
from channelmix_twitter.simulator_world import Direct, Post, User
from openapi_core import Config, OpenAPI
from openapi_core.exceptions import OpenAPIError
from openapi_core.testing import MockRequest

START = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)
PATIENT, IMPATIENT = httpx.Timeout(60), httpx.Timeout(60, read=0.5)
BILLING = "1400000000000000777"


@define
class Stage:
    """Two accounts of one app, and the network that they talk to."""

    sim: XSimulator
    desk: Desk
    clock: FakeClock
    x: Twitter
    billing: Twitter
    us: User
    mention: Post
    note: Direct
    misspelt: bool = False
    """This test sends what X would refuse, on purpose."""

    def as_message(self, thing: Post | Direct) -> Message:
        """Make the record that ingest makes of something at the network."""
        if isinstance(thing, Direct):
            found: dict[str, Any] = {
                "id": thing.id,
                "kind": Kind.DIRECT_MESSAGE,
                "thread": thing.conversation,
            }
            author = parsing_person(thing.sender)
            at, text = thing.created, thing.text
            return Message(**found, author=author, sent_at=at, text=text, revision=thing.id)
        return Message(
            id=thing.history[0],
            revision=thing.id,
            kind=Kind.MENTION,
            thread=thing.conversation,
            sent_at=thing.created,
            author=parsing_person(thing.author),
            text=thing.text,
        )

    def outgoing(
        self, action: Action, thing: Post | Direct | None = None, text: str = "", **more: Any
    ) -> Outgoing:
        """Make an outgoing part."""
        given = {"first_sent_at": self.clock.now(), "token": f"token-{text}", **more}
        if thing is not None:
            given = {"target": self.as_message(thing), **given}
        return Outgoing(channel="x", action=action, text=text, **given)

    def answer(
        self, thing: Post | Direct, text: str = "Danke, wir schauen nach.", **more: Any
    ) -> Outgoing:
        """Make a public or a direct answer, as fits."""
        direct = isinstance(thing, Direct)
        action = Action.PRIVATE_REPLY if direct else Action.PUBLIC_REPLY
        return self.outgoing(action, thing, text, **more)

    @contextlib.contextmanager
    def impatient(self) -> Iterator[None]:
        """Give up soon on an answer that never comes."""
        self.x.http.timeout = IMPATIENT
        yield
        self.x.http.timeout = PATIENT

    def calls(self, *, without: str = "/none/") -> list[str]:
        """List what arrived, as method and path."""
        requests = [one.request for one in self.sim.sent]
        return [f"{one.method} {one.path}" for one in requests if without not in one.path]


def parsing_person(user: User) -> Any:
    users = {user.id: {"username": user.username, "name": user.name}}
    return Context(account="", now=START, users=users).person(user.id)


def settings(sim: XSimulator, url: str, store: Path, **app: Any) -> Mapping[str, Any]:
    """Return a configuration with two accounts of one app."""
    gate = sim.gate
    channel = {"network": "twitter", "app": "acme", "api_url": url}
    return {
        "desk": {"store": f"sqlite:///{store}"},
        "apps": {
            "acme": {
                "network": "twitter",
                "client_id": gate.client_id,
                "client_secret": gate.client_secret,
                "consumer_key": gate.consumer_key,
                "consumer_secret": gate.consumer_secret,
                **app,
            }
        },
        "channels": {
            "x": {**channel, "user_id": sim.account, "handle": sim.handle},
            "billing": {**channel, "user_id": BILLING, "handle": "stadtwerke_bill"},
        },
    }


@pytest.fixture
def app_settings(request: Any) -> dict[str, Any]:
    """Return what the app is told beyond its keys; parametrize it indirectly."""
    return dict(getattr(request, "param", {}))


@pytest.fixture
async def s(tmp_path: Path, app_settings: dict[str, Any]) -> AsyncIterator[Stage]:
    clock = FakeClock(START)
    sim = XSimulator(clock=clock)
    billing = sim.open(BILLING, "stadtwerke_bill", "Stadtwerke Rechnung")
    # Reading all the world's certificates for each test takes longer than the test.
    wire = httpx.AsyncHTTPTransport(verify=NO_TRUST, trust_env=False)
    async with sim.online() as url:
        told = settings(sim, url, tmp_path / "desk.db", **app_settings)
        async with Desk.open(told, work=False, clock=clock, transport=wire) as desk:
            x, other = desk.registry.get("x"), desk.registry.get("billing")
            assert isinstance(x, Twitter)
            assert isinstance(other, Twitter)
            for plugin, user in ((x, sim.ours[0]), (other, billing)):
                plugin.http.timeout = PATIENT
                await plugin.vault.put(kept(sim, user))
            mention = sim.say("Mira Sommer", "@stadtwerke wo ist mein Paket?")
            note = sim.write("Jonas Weber", "Meine Rechnung stimmt nicht.")
            sim.world.posts[mention.id].created = START
            stage = Stage(sim, desk, clock, x, other, sim.ours[0], mention, note)
            yield stage
    urls = [f"{one.request.path} {one.request.query}" for one in sim.sent]
    secrets = [*sim.gate.access, *sim.gate.refresh, sim.gate.bearer, sim.gate.consumer_secret]
    assert not [url for url in urls if any(one in url for one in secrets)], "a token in a URL"
    if CONTRACT.is_file() and not stage.misspelt:
        assert [line for one in sim.sent for line in not_in_contract(one.request)] == []


def kept(sim: XSimulator, user: User) -> dict[str, Any]:
    """Return the tokens of an account as the vault keeps them."""
    told = sim.gate.tokens(user)
    _, ends = sim.gate.access[str(told["access_token"])]
    names = ("access_token", "refresh_token")
    return {**{name: told[name] for name in names}, "expires_at": ends.isoformat()}


@pytest.fixture
def wrong() -> Any:
    """Return what says of a request in what it departs from X's contract."""
    if not CONTRACT.is_file():
        pytest.skip("X's contract is not beside this repository")
    return not_in_contract


@pytest.fixture
def read() -> Any:
    """Return what reads a document as the plugin does, all of it."""

    def reading(document: Any, *, source: str = "webhook", **context: Any) -> list[Any]:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        given = {"account": "", "now": START, **context}
        events = parsing.split(Payload(body=body, source=source)).events
        return [one for event in events for one in parsing.ingest(event, Context(**given)).inbounds]

    return reading


# X's official contract carries no licence, so it lies outside of this repository

CONTRACT = Path(__file__).resolve().parents[4] / "shared/contracts/x/openapi-2.166.json"
OUTSIDE = ("/2/oauth2/token", "/oauth/", "/i/oauth2/", "/media/", "/1.1/ton/", "/compliance/")
"""What the contract leaves to OAuth's own documents, and the simulator's pictures."""
NEWER = (b"post.reply.create", b"post.quote.create")
"""Events that X's pages "Event payloads" and "Event pricing" have, and this contract not yet."""


@cache
def document() -> Any:
    return json.loads(CONTRACT.read_bytes())


@cache
def contract() -> OpenAPI:
    return OpenAPI.from_dict(document(), config=Config(spec_validator_cls=None))


def not_in_contract(request: Request) -> Iterator[str]:
    """Say what the contract does not allow in a request."""
    if request.path.startswith(OUTSIDE):
        return
    told = content(request)
    for event in NEWER:
        told["data"] = told["data"] and told["data"].replace(event, b"post.mention.create")
    asked = MockRequest(
        "https://api.x.com",
        request.method.lower(),
        request.path,
        args=dict(request.query),
        headers=dict(request.headers),
        **told,
    )
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Unsupported scheme type")
            contract().validate_request(asked)
    except OpenAPIError as error:
        yield f"{request.method} {request.path}: {error} ({error.__cause__!r:.200})"
    else:
        # openapi-core lets names pass that are not declared.
        for name in set(request.query) - declared(request):
            yield f"{request.method} {request.path}: no query parameter {name}"


def content(request: Request) -> dict[str, Any]:
    """Return body and type; a form becomes the JSON that the contract allows in its place.

    openapi-core leaves the fields of a form as bytes where a schema has alternatives.
    """
    kind = request.headers.get("content-type", "")
    if not kind.startswith("multipart/"):
        return {"data": request.body or None, "content_type": kind}
    fields = {name: base64.b64encode(value) for name, value in multipart(request).items()}
    fields["segment_index"] = base64.b64decode(fields["segment_index"])
    body = json.dumps({name: value.decode() for name, value in fields.items()})
    return {"data": body.encode(), "content_type": "application/json"}


def declared(request: Request) -> set[str]:
    for template, operations in document()["paths"].items():
        pattern = re.sub(r"\{\w+\}", "[^/]+", template)
        if re.fullmatch(pattern, request.path) and request.method.lower() in operations:
            told = operations[request.method.lower()].get("parameters", [])
            return {resolved(one)["name"] for one in told}
    return set()


def resolved(one: Any) -> Any:
    reference = one.get("$ref")
    if reference is None:
        return one
    return document()["components"]["parameters"][reference.rpartition("/")[2]]
