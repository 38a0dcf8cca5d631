from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from channelmix import config
from channelmix.cli import desks
from channelmix.cli.call import Call

Command = Callable[..., Any]
Work = Callable[..., None]


def test_tickets_and_their_filters(desk: Work, command: Command) -> None:
    found = command("tickets", "--json").json
    assert [(one["id"], one["customer"], one["state"]) for one in found] == [
        (1, "Bea", "open"),
        (2, "Carl", "open"),
    ]
    command("close", 2)
    assert len(command("tickets", "--state", "open", "--json").json) == 1
    assert len(command("tickets", "--state", "open", "--state", "closed", "--json").json) == 2
    assert command("tickets", "--agent", "anna", "--limit", 1, "--json").json[0]["agent"] == "anna"
    assert command("tickets", "--channel", "none", "--json").json == []
    assert command("tickets", "--channel", "none").out == "There are no such tickets.\n"


def test_a_table_shows_texts_as_they_are_and_nothing_that_steers(
    desk: Work, command: Command
) -> None:
    out = command("tickets").out
    assert "[bold]Nice[/bold] \ufffd[31mpaper\ufffd" in out
    assert "Where is page 2?" in out


def test_a_table_fits_a_terminal(
    desk: Work, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    command("reply", 1, "Behind page 1.", "--by", "anna")
    for name in ("tickets", "outbox", "channels", "ledger"):
        shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", command(name).out)
        assert max(map(len, shown.splitlines())) <= 80


def test_show_tells_the_whole_story(desk: Work, command: Command) -> None:
    command("note", 1, "Regular reader", "--by", "anna")
    command("set", 1, "--topic", "delivery", "--priority", "high", "--by", "anna")
    command("assign", 1, "--team", "readers", "--by", "anna")
    command("reply", 1, "Behind page 1.", "--agent", "anna")
    out = command("show", 1).out
    for told in (
        "Ticket 1 · answered · comment on letters · Bea",
        "priority high · topic delivery",
        "assigned to readers",
        "04 Mar",
        "    Where is page 2?",
        "anna: note · Regular reader",
        "outbox 1: public reply · queued · Behind page 1.",
    ):
        assert told in out
    assert command("show", 1, "--json").json["line"]["topic"] == "delivery"


def test_close_and_reopen(desk: Work, command: Command) -> None:
    assert command("close", 1, "--reason", "found").out == "Ticket 1: closed.\n"
    assert command("show", 1, "--json").json["line"]["state"] == "closed"
    command("reopen", 1)
    assert command("show", 1, "--json").json["line"]["state"] == "open"


def test_assign_to_an_agent_and_to_nobody(desk: Work, command: Command) -> None:
    command("assign", 1, "--agent", "anna")
    assert command("show", 1, "--json").json["line"]["agent"] == "anna"
    command("assign", 1, "--nobody")
    line = command("show", 1, "--json").json["line"]
    assert (line["agent"], line["team"]) == (None, None)


def test_a_reply_goes_out(desk: Work, command: Command) -> None:
    assert command("reply", 1, "Behind page 1.").out == "Outbox 1: queued.\n"
    desk()
    (line,) = command("outbox", "--json").json
    assert (line["state"], line["action"], len(line["ids"])) == ("sent", "public_reply", 1)
    assert command("outbox", "list", "--state", "queued", "--json").json == []
    assert "Behind page 1." in command("outbox", "list", "--ticket", 1).out


def test_options_of_the_outbox_hold_for_its_list_too(desk: Work, command: Command) -> None:
    command("reply", 1, "Behind page 1.")
    (line,) = command("outbox", "--json", "list").json
    assert line["state"] == "queued"
    assert command("outbox", "--state", "sent", "list", "--json").json == []
    (line,) = command("outbox", "--state", "sent", "list", "--state", "queued", "--json").json
    assert line["state"] == "queued"
    done = command("outbox", "--json", "cancel", 1)
    assert (done.code, "write options after `cancel`" in done.error) == (2, True)
    assert command("outbox", "--json").json[0]["state"] == "queued"


def test_a_reply_that_is_blocked_says_why(desk: Work, command: Command) -> None:
    done = command("reply", 1, "This is far too long for a newspaper.")
    assert (done.code, done.error) == (1, "37 letters, the network takes 20: shorten the text")
    Path("photo.png").write_bytes(b"png")
    done = command("reply", 1, "See photo", "--attach", "photo.png")
    assert (done.code, "no attachments are possible" in done.error) == (1, True)
    assert command("outbox", "--json").json == []


def test_what_failed_can_be_sent_again_and_what_waits_cancelled(
    desk: Work, command: Command
) -> None:
    command("reply", 1, "refuse me")
    desk()
    (line,) = command("outbox", "--json").json
    assert (line["state"], line["error"]) == ("failed", "the editor does not print this")
    assert command("outbox", "retry", 1).out == "Outbox 1: queued again.\n"
    assert command("outbox", "cancel", 1).out == "Outbox 1: cancelled.\n"
    done = command("outbox", "resolve", 1, "--sent")
    assert (done.code, done.error) == (1, "outbox 1 is not uncertain")


def test_act_hides_the_message_and_deletes_our_answer(desk: Work, command: Command) -> None:
    assert command("act", 1, "hide").code == 0
    done = command("act", 1, "delete")
    assert (done.code, "has no answer of ours yet" in done.error) == (1, True)
    assert command("act", 1, "delete", "--own-id", "printed").code == 0
    assert command("act", 1, "like").error == "this channel offers no like on a comment"
    actions = [one["action"] for one in command("outbox", "--json").json]
    assert actions == ["delete", "hide"]


def test_review_counts_as_the_network_does(configured: Path, command: Command) -> None:
    done = command("review", "letters", "Thank you", "--kind", "comment")
    assert (done.code, done.out) == (0, "9 of 20 letters\nNothing speaks against it.\n")
    done = command("review", "letters", "x" * 21, "--json")
    assert done.code == 1
    assert (done.json["length"], done.json["limit"], done.json["unit"]) == (21, 20, "letters")
    assert [one["code"] for one in done.json["findings"]] == ["length"]
    assert "private reply" in command("review", "letters", "Hi", "--private").out
    assert command("outbox", "--json").json == []


def test_the_ledger_adds_up_until_a_row_is_gone(desk: Work, command: Command) -> None:
    told = command("ledger", "--json").json
    assert told["adds_up"] is True
    assert told["fates"] == {"ticket": 2, "ignored": 1, "quarantined": 1}
    assert "It adds up." in command("ledger").out
    engine = sa.create_engine("sqlite:///desk.db")
    with engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM fates WHERE fate = 'ignored'"))
    engine.dispose()
    done = command("ledger")
    assert (done.code, "does NOT add up" in done.out) == (1, True)
    assert command("ledger", "--json").json["adds_up"] is False


def test_replay_reads_again(desk: Work, command: Command) -> None:
    assert command("replay", "--json").json == {"quarantined": 1}
    desk()
    out = command("replay", "--ignored", "--channel", "letters").out
    assert out == "To be read again: 1 ignored, 1 quarantined.\n"
    assert command("replay").out == "To be read again: nothing.\n"


def test_channels_say_how_they_do_and_no_secret(desk: Work, command: Command) -> None:
    command("check", "--online")
    (line,) = command("channels", "--json").json
    assert (line["name"], line["state"]) == ("letters", "ok")
    assert line["last_push_at"] is not None
    assert line["token_expires_at"] == "2099-01-02T03:04:00Z"
    out = command("channels").out
    assert "02 Jan 2099" in out
    assert "red-stamp" not in out + json.dumps(line)


@pytest.mark.slow
def test_the_library_is_listed_searched_and_suggested(desk: Work, command: Command) -> None:
    assert command("library").out == "There is no such article in the help library.\n"
    assert command("suggest", 1).out == "There is no suggestion.\n"
    guides = [{"id": "p1", "guide": "Where page 2 is"}, {"id": "p2", "guide": "How to subscribe"}]
    desk(json.dumps([{**one, "box": "7"} for one in guides]).encode())
    out = command("library").out
    assert out.index("How to subscribe") < out.index("Where page 2 is")
    assert command("library", "page?", "--json").json[0]["article"]["title"] == "Where page 2 is"
    assert command("library", "--channel", "none", "--json").json == []
    assert "--channel is for the list" in command("library", "page", "--channel", "letters").error
    (one,) = command("suggest", 1, "--json").json
    assert (one["text"], one["source"]) == ("paper.example/p1", "library:letters")
    assert "paper.example/p1" in command("suggest", 1).out


@pytest.mark.timeout(60)
def test_a_plugins_task_that_clings_keeps_no_command_from_its_end(tmp_path: Path) -> None:
    async def clinging() -> None:
        while True:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()

    async def job(desk: Any) -> str:
        left.append(asyncio.create_task(clinging()))
        await asyncio.sleep(0)
        return "done"

    left: list[asyncio.Task[None]] = []
    settings = config.load({"desk": {"store": f"sqlite:///{tmp_path / 'own.db'}"}}, plugins={})
    assert desks.on_desk(Call(), job, settings=settings) == "done"
    assert not left[0].done()
