"""Each check of the kit catches a defect that its sound twin does not have."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from channelmix import __version__
from channelmix.testing.conformance import Conformance, checks
from channelmix.testing.conformance.suite import outcome

PLUGIN, SIMULATOR = "noticeboard/plugin.py", "noticeboard/simulator.py"
CHECKS = {one.id: one for one in checks()}
BARE = 'services.log.info("open", board=self.account)'


class Defect(NamedTuple):
    """One place of the sound package, spoilt."""

    check: str
    finding: str
    """What the kit says of it."""
    file: str
    old: str
    new: str


DEFECTS = [
    Defect(
        "C102",
        "no installed package",
        "noticeboard-1.2.dist-info/entry_points.txt",
        "[channelmix.v1]\nnoticeboard = noticeboard.plugin:Noticeboard\n",
        "",
    ),
    Defect(
        "C102",
        "cannot be imported",
        "noticeboard-1.2.dist-info/entry_points.txt",
        "noticeboard.plugin:Noticeboard",
        "noticeboard.pluggin:Noticeboard",
    ),
    Defect(
        "C102",
        "built for channelmix.v2",
        "noticeboard-1.2.dist-info/entry_points.txt",
        "channelmix.v1",
        "channelmix.v2",
    ),
    Defect("C103", "prints", PLUGIN, "KINDS = {", 'print("hello")\nKINDS = {'),
    Defect(
        "C103",
        "tries to reach",
        PLUGIN,
        "KINDS = {",
        "import socket\ntry:\n    socket.create_connection(('192.0.2.1', 80), 1)\n"
        "except OSError:\n    pass\nKINDS = {",
    ),
    Defect("C104", "must be a plain `def`", PLUGIN, "    def split(", "    async def split("),
    Defect(
        "C104",
        "without its marker",
        PLUGIN,
        "    @hook\n    async def check(",
        "    async def check(",
    ),
    Defect(
        "C105",
        "no field of its `Config`",
        PLUGIN,
        'account_field: ClassVar[str] = "board"',
        'account_field: ClassVar[str] = "bord"',
    ),
    Defect(
        "C105",
        "declares no `sources`",
        PLUGIN,
        'sources = (Source(name="notes", every=minutes(2)),)',
        "sources = ()",
    ),
    Defect("C106", "board has letters", PLUGIN, "if not value.isalnum()", "if not value.isdigit()"),
    Defect(
        "C107",
        "does not name it",
        PLUGIN,
        '    board: str = setting(help="The board.", validator=_board)\n',
        '    board: str = setting(default="", help="The board.")\n\n'
        "    def __attrs_post_init__(self) -> None:\n"
        "        if not self.board:\n"
        '            raise ValueError("incomplete")\n\n',
    ),
    Defect("C108", "make it a Secret", PLUGIN, "    password: Secret =", "    password: str ="),
    Defect(
        "C108",
        "shows a secret",
        PLUGIN,
        BARE,
        "self.plain = [self.config.secret.reveal()]",
    ),
    Defect(
        "C109",
        "a secret is told",
        PLUGIN,
        'raise Rejected(f"{path}: refused ({str(code)[:20]})")',
        'raise Rejected(f"{path}: {answer.text}")',
    ),
    Defect(
        "C109",
        "a secret is told",
        PLUGIN,
        "        await self._pay(reply=True)\n",
        '        await self._pay(reply=True)\n        self.log.info("post", how=await self._headers())\n',
    ),
    Defect(
        "C110",
        "leaves a task running",
        PLUGIN,
        BARE,
        "import asyncio\n        self.task = asyncio.create_task(asyncio.sleep(3600))",
    ),
    Defect("C110", "close: ", PLUGIN, "self.seen.clear()", 'self.seen.remove("open")'),
    Defect(
        "C111",
        "all share it",
        PLUGIN,
        "    seen: set[str] = field(factory=set)",
        "    seen: ClassVar[set[str]] = set()",
    ),
    Defect("C111", "have the same", PLUGIN, "= field(factory=set)", "= field(default=KINDS)"),
    Defect("C201", "kind", PLUGIN, '"private": Kind.DIRECT_MESSAGE', '"private": Kind.COMMENT'),
    Defect("C201", "not JSON", "fixtures/own.expected.json", "", "}"),
    Defect(
        "C202",
        "no comment in the fixtures has an author",
        PLUGIN,
        'if by.get("id") else',
        'if by.get("x") else',
    ),
    Defect(
        "C202",
        "no comment in the fixtures has a link",
        PLUGIN,
        'url=_text(note, "link")',
        "url=None",
    ),
    Defect("C202", "no time zone", PLUGIN, 'float(note["at"]), UTC)', 'float(note["at"]))  # noqa'),
    Defect(
        "C203",
        "asked for services",
        PLUGIN,
        "            sent_at=_time(note),",
        "            sent_at=self.clock.now(),",
    ),
    Defect(
        "C203",
        "means something else",
        PLUGIN,
        "            own=own,",
        "            own=own or bool(self.seen or self.seen.add(note['id'])),",
    ),
    Defect(
        "C204",
        "other keys",
        PLUGIN,
        "key=hashlib.sha256(body).hexdigest()",
        "key=hashlib.sha256(body).hexdigest() + str(id(document))",
    ),
    Defect("C204", "the key", PLUGIN, "key=hashlib.sha256(body).hexdigest()", "key=str(len(body))"),
    Defect("C204", "no webhook names", PLUGIN, "account=board)", 'account="somebody")'),
    Defect(
        "C205",
        "alone",
        PLUGIN,
        '            text=_text(note, "text"),\n            url',
        "            text=self.seen and note['text'] or (self.seen.add('x') or ''),\n            url",
    ),
    Defect(
        "C206",
        "no fixture holds an Edit",
        PLUGIN,
        'if what == "note.edited":',
        'if what == "note.changed":',
    ),
    Defect(
        "C206",
        "is of a message",
        PLUGIN,
        'return Edit(id=note["id"]',
        'return Edit(id="e" + note["id"]',
    ),
    Defect(
        "C207",
        "no fixture holds a Deletion",
        PLUGIN,
        'if what == "note.removed":',
        'if what == "note.gone":',
    ),
    Defect(
        "C208",
        "no fixture holds an Echo",
        PLUGIN,
        'own = by.get("id") == self.account',
        "own = False",
    ),
    Defect("C208", "not marked as own", PLUGIN, "            own=own,\n", ""),
    Defect("C209", "KeyError", PLUGIN, "except (KeyError, TypeError,", "except (TypeError,"),
    Defect(
        "C209",
        "RecursionError",
        PLUGIN,
        "except (ValueError, RecursionError) as",
        "except ValueError as",
    ),
    Defect(
        "C209",
        "says nothing at all",
        PLUGIN,
        "return Ingested(inbounds=(self._meaning(_object(_decoded(event.body))),))",
        "found = self._meaning(_object(_decoded(event.body)))\n        return Ingested(inbounds=() if isinstance(found, Ignored) else (found,))",
    ),
    Defect(
        "C210",
        "instead of",
        PLUGIN,
        '            text=_text(note, "text"),\n            url',
        "            text=(_text(note, \"text\") or '').encode('ascii', 'ignore').decode(),\n            url",
    ),
    Defect(
        "C211", "is let in", PLUGIN, "if not hmac.compare_digest(given, wanted)", "if not given"
    ),
    Defect(
        "C211",
        "an authentic webhook is refused",
        PLUGIN,
        '"x-board-signature"',
        '"X-Board-Signature"',
    ),
    Defect(
        "C211",
        "TypeError",
        PLUGIN,
        '.get("x-board-signature", "").encode("utf-8", "surrogatepass")',
        '.get("x-board-signature", "")',
    ),
    Defect("C212", "the handshake wants", PLUGIN, '{"proof": proof}', '{"prove": proof}'),
    Defect("C212", "without its parameters", PLUGIN, "if not challenge:", "if challenge is None:"),
    Defect("C213", "not found by any poll", PLUGIN, 'more=bool(answer.get("more"))', "more=False"),
    Defect("C213", "does not survive JSON", PLUGIN, "cursor=after,", "cursor=(after, 1),"),
    Defect(
        "C213",
        "stays where it is",
        PLUGIN,
        'after = answer.get("last", wanted.cursor)',
        "after = wanted.cursor",
    ),
    Defect(
        "C214",
        "keys are new",
        PLUGIN,
        "payload = Payload(body=json.dumps(answer).encode()",
        "answer['notes'] = [{**one, 'asked': str(self.clock.now())} for one in answer['notes']]\n        payload = Payload(body=json.dumps(answer).encode()",
    ),
    Defect(
        "C215",
        "by webhook",
        PLUGIN,
        "payload = Payload(body=json.dumps(answer).encode()",
        "answer['notes'] = [{**one, 'thread': 'p'} for one in answer['notes']]\n        payload = Payload(body=json.dumps(answer).encode()",
    ),
    Defect(
        "C216",
        "goes on",
        PLUGIN,
        'answer = await self._get("/notes", {"after": str(wanted.cursor or 0)})',
        'import asyncio\n        try:\n            answer = await self._get("/notes", {"after": str(wanted.cursor or 0)})\n'
        "        except asyncio.CancelledError:\n            return Polled(cursor=1)",
    ),
    Defect(
        "C216",
        "leaves a task",
        PLUGIN,
        'answer = await self._get("/notes", {"after": str(wanted.cursor or 0)})',
        'import asyncio\n        self.asking = asyncio.create_task(self._get("/notes", {"after": "0"}))\n'
        "        answer = await asyncio.shield(self.asking)",
    ),
    Defect(
        "C217",
        "it was edited, and neither",
        PLUGIN,
        '"note.added", "note.edited", "note.removed"',
        '"note.added", "note.removed"',
    ),
    Defect(
        "C217",
        "it was edited, and neither",
        PLUGIN,
        'revision=revision, text=_text(note, "text"))',
        "revision=revision)",
    ),
    Defect(
        "C218",
        "it was taken back, and neither",
        PLUGIN,
        'if what == "note.removed":',
        'if what == "note.gone":',
    ),
    Defect(
        "C301",
        "names no id",
        PLUGIN,
        'return Receipt(ids=(str(answer["id"]),))',
        "return Receipt()",
    ),
    Defect(
        "C301",
        "it is there 2 times",
        PLUGIN,
        '        answer = await self._post("/notes", note)\n',
        '        await self._post("/notes", note)\n        answer = await self._post("/notes", note)\n',
    ),
    Defect(
        "C302",
        "fail",
        PLUGIN,
        'return len(text.encode("utf-16-le", "surrogatepass")) // 2',
        "return len(text)",
    ),
    Defect(
        "C302",
        "one character too many",
        PLUGIN,
        '"text": outgoing.text,',
        '"text": outgoing.text[:280] if outgoing.action is Action.PUBLIC_REPLY else outgoing.text,',
    ),
    Defect(
        "C303",
        "arrives as",
        PLUGIN,
        '"text": outgoing.text,',
        '"text": " ".join(outgoing.text.split()),',
    ),
    Defect(
        "C304",
        "does not say when",
        PLUGIN,
        'raise RetryLater(f"{path}: slow down", after=timedelta(seconds=int(said["seconds"])))',
        'raise RetryLater(f"{path}: slow down")',
    ),
    Defect(
        "C305",
        "not AuthorizationLost",
        PLUGIN,
        'raise AuthorizationLost(f"{path}: the token',
        'raise Rejected(f"{path}: the token',
    ),
    Defect(
        "C306",
        "window_closed",
        PLUGIN,
        'raise WindowClosed(f"{path}: too late")',
        'raise Rejected(f"{path}: too late")',
    ),
    Defect("C306", "after the window", PLUGIN, "        self._refuse_late(outgoing)\n", ""),
    Defect(
        "C307",
        "not Rejected",
        PLUGIN,
        'raise Rejected(f"{path}: refused',
        'raise RetryLater(f"{path}: refused',
    ),
    Defect(
        "C307",
        "not Rejected",
        PLUGIN,
        'raise Rejected(f"{path}: refused',
        'raise WindowClosed(f"{path}: refused',
    ),
    Defect("C308", "not Uncertain", PLUGIN, 'raise Uncertain(f"POST', 'raise RetryLater(f"POST'),
    Defect(
        "C308",
        "not Uncertain",
        PLUGIN,
        "return self._read(answer, path, Uncertain)",
        "return self._read(answer, path, Rejected)",
    ),
    Defect(
        "C308",
        "is sent 2 times",
        PLUGIN,
        '            raise Uncertain(f"POST',
        '            answer = await self.http.post(self._url(path), json=note, headers=headers)\n            raise Uncertain(f"POST',
    ),
    Defect("C309", "not RetryLater", PLUGIN, "if was_not_sent(error):", "if False:"),
    Defect(
        "C310",
        "and is absent",
        PLUGIN,
        '"key": outgoing.token}, reply',
        '"key": outgoing.token[1:]}, reply',
    ),
    Defect("C310", "belongs to another", PLUGIN, ' if one["id"] not in outgoing.taken]', "]"),
    Defect(
        "C310",
        "it never arrived",
        PLUGIN,
        '"key": outgoing.token}, reply',
        '"kay": outgoing.token}, reply',
    ),
    Defect(
        "C311",
        "as a customer's message",
        PLUGIN,
        'own = by.get("id") == self.account',
        "own = False",
    ),
    Defect("C312", "it is not there", PLUGIN, 'note["picture"]', 'note["image"]'),
    Defect(
        "C313",
        "a secret in the URL",
        PLUGIN,
        "params=query, headers",
        "params={**query, 'pw': self.config.password.reveal()}, headers",
    ),
    Defect(
        "C314",
        "was not asked",
        PLUGIN,
        '            await self._post(f"/notes/{target.id}/hide", {})\n',
        "",
    ),
    Defect("C314", "refused", PLUGIN, "/{target.id}/hide", "/{target.id}/conceal"),
    Defect(
        "C315",
        "finds nothing that blocks",
        PLUGIN,
        "return Checked(findings=(finding,))",
        "return Checked()",
    ),
    Defect(
        "C315",
        "with good credentials",
        PLUGIN,
        '            await self._get("/me", {}, reply=True)',
        '            raise AuthorizationLost("always")',
    ),
    Defect(
        "C316",
        "nothing is in the vault",
        PLUGIN,
        "        await self.services.vault.put(kept)\n",
        "",
    ),
    Defect(
        "C316",
        "a person who said no",
        PLUGIN,
        'raise Rejected("the person said no")',
        "return Connected()",
    ),
    Defect("C317", "it does not renew", PLUGIN, "timedelta(minutes=10)", "timedelta(minutes=-10)"),
    Defect("C317", "although all is well", PLUGIN, "timedelta(minutes=10)", "timedelta(days=10)"),
    Defect(
        "C318",
        "not AuthorizationLost",
        PLUGIN,
        'raise AuthorizationLost(f"{path}: the token',
        'raise RetryLater(f"{path}: the token',
    ),
    Defect(
        "C319",
        "although nothing is left",
        PLUGIN,
        "await self.services.budget.spend(1, reply=reply)",
        "return",
    ),
    Defect(
        "C320",
        "everybody can read",
        PLUGIN,
        '"thread": target.thread, "text"',
        '"thread": "t-comment", "text"',
    ),
    Defect(
        "C321",
        "answers somebody else",
        PLUGIN,
        '{"after": "0", "key": outgoing.token}, reply=True)\n        ids = [str(one["id"]) for one in answer["notes"] if one["id"]',
        '{"after": "0"}, reply=True)\n        said = (one for one in answer["notes"] if one["text"] == outgoing.text)\n        ids = [str(one["id"]) for one in said if one["id"]',
    ),
    Defect("C401", "Function is missing", PLUGIN, "", "\n\ndef untyped(x):\n    return x\n"),
    Defect("C401", "without its code", PLUGIN, "", "\n\nNOTHING: int = ''  # type: ignore\n"),
    Defect(
        "C402",
        "no heading for removal",
        "README.md",
        "## Removal\n\nTake the channel out",
        "Take the channel out",
    ),
    Defect("C402", "does not name the setting `calls`", "README.md", "`calls`", "calls"),
    Defect("C403", "says nothing", "CHANGELOG.md", "- Comments and private notes.", ""),
    Defect(
        "C404",
        "nothing is said of reconcile",
        "quality.toml",
        "[rules.reconcile]",
        "[rules.reconciled]",
    ),
    Defect("C404", "needs `reason`", "quality.toml", 'reason = "the board is invented"', ""),
    Defect("C404", "is one of", "quality.toml", 'status = "exempt"', 'status = "exampt"'),
    Defect("C405", "no `owner", "quality.toml", 'owner = "Ada Winter, ada@board.example"', ""),
    Defect("C406", "pins httpx", "pyproject.toml", "httpx>=0.28", "httpx==0.28.1"),
    Defect(
        "C406", "no range of channelmix", "pyproject.toml", "channelmix>=0.1,<0.2", "channelmix"
    ),
]


def _found(suite: type[Conformance], check: str) -> Any:
    return outcome(suite, CHECKS[check])


SLOW = {"C103", "C209", "C308", "C310", "C401"}
"""What starts other programs, tries hundreds of inputs, or waits for what is lost."""


def _marked(check: str) -> Any:
    return [pytest.mark.slow] if check in SLOW else []


@pytest.mark.parametrize("check", [pytest.param(one, marks=_marked(one)) for one in CHECKS])
def test_the_sound_plugin_passes(board: Any, check: str) -> None:
    result = _found(board.suite(), check)
    assert (result.status, result.findings) == ("passed", ())


@pytest.mark.parametrize(
    "defect",
    [
        pytest.param(one, marks=_marked(one.check), id=f"{one.check}-{one.finding}")
        for one in DEFECTS
    ],
)
def test_a_defect_is_caught(board: Any, defect: Defect) -> None:
    board.change(defect.file, defect.old, defect.new)
    result = _found(board.suite(), defect.check)
    assert result.status == ("warned" if CHECKS[defect.check].only_warns(__version__) else "failed")
    assert any(defect.finding in one for one in result.findings), result.findings


def test_a_check_that_is_taken_out_later_is_missed(board: Any) -> None:
    suite = board.suite()
    assert _found(suite, "C101").status == "passed"
    setattr(suite, CHECKS["C203"].name, None)
    result = _found(suite, "C101")
    assert result.status == "failed"
    assert "leaves out or replaces C203" in result.findings[0]


def test_every_check_has_a_defect() -> None:
    assert {one.check for one in DEFECTS} | {"C101"} == set(CHECKS)
