"""What networks do in ways of their own, and the kit understands."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest
from channelmix.testing.conformance import checks, fixtures
from channelmix.testing.conformance.subject import Subject
from channelmix.testing.conformance.suite import outcome

PLUGIN, SIMULATOR = "noticeboard/plugin.py", "noticeboard/simulator.py"
READ = 'text=_text(note, "text"),\n            url'
SECRET = '    secret: Secret = setting(help="What signs its webhooks.")\n'
CHECKS = {one.id: one for one in checks()}


def _outcome(board: Any, check: str, **more: Any) -> Any:
    return outcome(board.suite(**more), CHECKS[check])


# a mention first


@pytest.mark.slow
@pytest.mark.parametrize("check", ["C301", "C302", "C303", "C310"])
def test_a_network_may_put_a_mention_first(board: Any, check: str) -> None:
    board.change(PLUGIN, '"text": outgoing.text,', '"text": f"@mira {outgoing.text}",')
    board.change(SIMULATOR, "len(text.encode", "len(text.removeprefix('@mira ').encode")
    assert _outcome(board, check).findings == ()


@pytest.mark.slow
@pytest.mark.parametrize("check", ["C301", "C303", "C310"])
def test_what_became_of_a_reply_is_shown(board: Any, check: str) -> None:
    board.change(PLUGIN, '"text": outgoing.text,', '"text": outgoing.text[::-1],')
    assert "arrives as" in _outcome(board, check).findings[0]


# HTML


@pytest.mark.parametrize(
    ("plain", "status"),
    [('re.sub("<[^>]*>", "", html)', "passed"), ('re.sub("<[^>]*>|[^ -~]", "", html)', "failed")],
)
def test_a_text_is_found_in_html(board: Any, plain: str, status: str) -> None:
    board.change(PLUGIN, READ, READ.replace('_text(note, "text")', '_plain(note["text"])'))
    reader = f"    import re\n    return {plain}\n"
    board.change(PLUGIN, "", f"\n\ndef _plain(html: str) -> str:\n{reader}")
    for path in (board.folder / "fixtures").glob("*.json"):
        if not path.name.endswith(".expected.json"):
            html = re.sub(r'"text": "([^"]*)"', r'"text": "<p><b></b>\1</p>"', path.read_text())
            path.write_text(html)
    assert _outcome(board, "C210").status == status


def test_a_text_that_is_not_found_is_shown(board: Any) -> None:
    board.change(PLUGIN, READ, READ.replace('_text(note, "text")', '"made up"'))
    [finding] = _outcome(board, "C210").findings
    assert "bare or in HTML" in finding
    assert "gives 'made up'" in finding


# who can read it


def test_who_can_read_an_answer_is_not_guessed(board: Any) -> None:
    board.change(SIMULATOR, '                private=one["kind"] == "private",\n', "")
    result = _outcome(board, "C320")
    assert result.status == "skipped"
    assert "`Spoken.private`" in result.findings[0]


# nothing is pushed


def _polled_only(board: Any) -> None:
    source = (board.folder / PLUGIN).read_text()
    start = source.index("    @hook\n    def receive")
    board.change(PLUGIN, source[start : source.index("    @hook\n    def split")], "")


def test_where_nothing_is_pushed_fixtures_need_no_change(board: Any) -> None:
    _polled_only(board)
    for one in ("C206", "C207"):
        assert _outcome(board, one).findings == ("it implements no `receive`",)


@pytest.mark.parametrize(("check", "what"), [("C217", "was edited"), ("C218", "was taken back")])
def test_a_poll_that_brings_no_change_is_noticed(board: Any, check: str, what: str) -> None:
    _polled_only(board)  # its poll asks for newer notes only
    result = _outcome(board, check)
    assert result.status == "warned"
    assert len([one for one in result.findings if what in one]) == 2


def test_a_simulator_whose_customers_change_nothing_is_not_asked(board: Any) -> None:
    board.change(SIMULATOR, "    def customer_edits(", "    def edits(")
    assert _outcome(board, "C217").findings == ("its simulator has no `customer_edits`",)


def test_events_can_be_made_in_the_poll_alone(board: Any) -> None:
    _polled_only(board)
    board.change(PLUGIN, "    @hook\n    def split(", "    def cut(")
    board.change(PLUGIN, "page = self.split(payload)", "page = self.cut(payload)")
    payload = board.folder / "fixtures/own.json"
    [event] = json.loads(payload.read_text())["events"]
    for path in payload.parent.iterdir():
        path.unlink()
    payload.write_text(json.dumps(event))
    [case] = fixtures.read(payload.parent)
    meant = asyncio.run(Subject(board.suite()).raw().meanings(case))
    assert '"echo"' in fixtures.record(payload.parent, case, meant).read_text()
    for one in ("C201", "C203", "C209"):
        assert _outcome(board, one).findings == ()
    for one in ("C204", "C205"):
        assert _outcome(board, one).findings == ("it implements no `split`",)


# which credentials


def test_the_simulators_tokens_win(board: Any) -> None:
    token = '    token: Secret = setting(default=Secret(), help="One.")\n'
    board.change(PLUGIN, SECRET, SECRET + token)
    board.change(
        PLUGIN,
        "        kept = await self.services.vault.get()\n",
        "        if token := self.config.token.reveal():\n"
        '            return {"Authorization": f"Bearer {token}"}\n'
        "        kept = await self.services.vault.get()\n",
    )
    config = board.suite().config | {"token": "a token of somewhere else"}
    assert _outcome(board, "C301", config=config).findings == ()


def test_a_secret_that_the_simulator_does_not_know_is_named(board: Any) -> None:
    board.change(SIMULATOR, '{"password": "board-password-1", "secret"', '{"secret"')
    [finding, *_] = _outcome(board, "C317").findings
    assert "password is from the suite's `config`: the simulator's `section` does not" in finding
