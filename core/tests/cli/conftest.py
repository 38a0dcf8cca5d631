"""A small network that is installed for the command line to find, and a desk with mail in it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from channelmix.cli import main
from channelmix.desk import Desk
from channelmix.records import WebhookRequest

PAPER = '''
"""Letters to the editor: a network as small as can be."""

import json
from datetime import UTC, datetime
from typing import ClassVar

from attrs import define, frozen
from channelmix import Channel, InvalidPayload, Rejected, hook
from channelmix.config import Secret, setting
from channelmix.records import (
    Action, Article, Attachment, AttachmentKind, Checked, Connected, Echo, Finding, Identity,
    Ignored, Ingested, Kind, Limits, Message, RawEvent, Receipt, Received, Split, WebhookResponse,
)


def _box(_, attribute, value):
    if not value.isdigit():
        raise ValueError("a box has a number")


@frozen(kw_only=True)
class PaperConfig:
    box: str = setting(help="The box number.", validator=_box)
    stamp: Secret = setting(help="The stamp on every letter.")


@define(eq=False, kw_only=True, slots=False)
class Paper(Channel):
    network: ClassVar[str] = "paper"
    Config: ClassVar[type] = PaperConfig
    account_field: ClassVar[str] = "box"
    limits = (
        Limits(actions={Action.PUBLIC_REPLY}, text=20, unit="letters", links=False),
        Limits(actions={Action.HIDE, Action.DELETE}),
        Limits(
            actions={Action.PUBLISH},
            text=80,
            attachments=1,
            media={AttachmentKind.IMAGE},
            details={"title", "link", "topic"},
        ),
    )

    @hook
    def receive(self, request):
        if request.headers.get("x-stamp") != self.config.stamp.reveal():
            return Received.refuse("no stamp")
        return Received(payload=request.body, response=WebhookResponse(body="thanks"))

    @hook
    def split(self, payload):
        letters = json.loads(payload.body)
        if not isinstance(letters, list):
            raise InvalidPayload("no list of letters")
        return Split(events=tuple(self._event(one) for one in letters))

    def _event(self, one):
        body = json.dumps(one).encode()
        return RawEvent(key=one["id"], body=body, account=one.get("box", ""))

    @hook
    def ingest(self, event):
        one = json.loads(event.body)
        if one.get("torn"):
            raise InvalidPayload("the letter is torn")
        if "guide" in one:
            day = datetime(2026, 3, int(one["id"][1:]), tzinfo=UTC)
            url = f"https://www.paper.example/{one['id']}"
            guide = Article(id=one["id"], title=one["guide"], url=url, published_at=day)
            return Ingested(inbounds=(guide,))
        if "text" not in one:
            return Ingested(inbounds=(Ignored(reason="an empty sheet"),))
        said = Message(
            id=one["id"],
            kind=Kind.COMMENT,
            thread="page 1",
            sent_at=datetime(2026, 3, 4, 5, 6, tzinfo=UTC),
            author=Identity(id=one["who"], name=one["who"].title()),
            text=one["text"],
            url=one.get("url"),
            no_reply=one.get("no_reply"),
            attachments=(Attachment(kind=AttachmentKind.IMAGE, text="a sketch"),)
            if one.get("sketch") else (),
        )
        return Ingested(inbounds=(Echo(message=said) if one.get("ours") else said,))

    @hook
    async def check(self, services):
        return Checked(
            findings=(Finding(level="warn", code="late", text="the post is slow"),),
            token_expires_at=datetime(2099, 1, 2, 3, 4, tzinfo=UTC),
        )

    @hook
    async def connect(self, request):
        if request.callback is None:
            url = f"https://paper.example/agree?state=s-1&redirect_uri={request.redirect_uri}"
            return Connected(url=url, memory={"verifier": "v-1"})
        token = request.callback["code"] + request.memory["verifier"]
        await self.vault.put({"access_token": token})
        return Connected(account="The Reader", expires_at=datetime(2099, 1, 2, 3, 4, tzinfo=UTC))

    @hook
    async def reply(self, outgoing):
        if outgoing.text == "refuse me":
            raise Rejected("the editor does not print this")
        return Receipt(ids=(f"printed {outgoing.token}",))
'''
CONFIGURATION = """
[desk]
store = "sqlite:///desk.db"
timezone = "Europe/Berlin"

[channels.letters]
network = "paper"
box = "7"
stamp = { env = "PAPER_STAMP" }

[agents.anna]

[teams.readers]
agents = ["anna"]
"""
STAMP = "red-stamp-of-1843"
LETTERS = [
    {"id": "a1", "who": "bea", "text": "Where is page 2?", "box": "7"},
    {"id": "a2", "who": "carl", "text": "[bold]Nice[/bold] \x1b[31mpaper\u202e"},
    {"id": "a3"},
    {"id": "a4", "torn": True},
]


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> str:
        """The one line of an error."""
        (line,) = self.err.splitlines()
        return line


Command = Callable[..., Done]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """Call the command line as the shell would, in this process."""

    def call(*arguments: object) -> Done:
        with pytest.raises(SystemExit) as exit_:
            main([str(one) for one in arguments])
        out, err = capsys.readouterr()
        return Done(int(exit_.value.code or 0), out, err)

    return call


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be in an empty folder, with the network `paper` installed and its variable not set."""
    site = tmp_path / "site"
    info = site / "paper-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "invented_paper.py").write_text(PAPER)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: paper\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[channelmix.v1]\npaper = invented_paper:Paper\n")
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", str(site))
    monkeypatch.delitem(sys.modules, "invented_paper", raising=False)
    monkeypatch.delenv("PAPER_STAMP", raising=False)
    monkeypatch.delenv("CHANNELMIX_CONFIG", raising=False)
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    return here


@pytest.fixture
def configured(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have a configuration, too, with its secret set."""
    (folder / "channelmix.toml").write_text(CONFIGURATION)
    monkeypatch.setenv("PAPER_STAMP", STAMP)
    return folder


@pytest.fixture
def letters(folder: Path) -> Path:
    """Have a file with what the network sends."""
    file = folder / "letters.json"
    file.write_text(json.dumps(LETTERS))
    return file


async def _work(bodies: list[bytes]) -> None:
    async with Desk.open("channelmix.toml") as desk, asyncio.timeout(30):
        (app,) = desk.settings.apps
        for body in bodies:
            request = WebhookRequest(method="POST", headers={"x-stamp": STAMP}, body=body)
            assert (await desk.receive(app, request)).status == 200
        await desk.drain()


@pytest.fixture
def work(configured: Path) -> Callable[..., None]:
    """Let the configured desk work until nothing is left to do."""
    return lambda *bodies: asyncio.run(_work(list(bodies)))


@pytest.fixture
def desk(work: Callable[..., None], letters: Path) -> Callable[..., None]:
    """Have a desk that has received the letters: tickets 1 and 2, one ignored, one torn."""
    work(letters.read_bytes())
    return work
