"""Publishing from the command line, and who approves it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]
Work = Callable[..., None]
LAMPS = ("publish", "letters", "--text", "Turn it off first.", "--set", "title=Lamps")


@pytest.fixture
def approving(configured: Path) -> None:
    """Want what is printed to be approved by a reader."""
    asked = 'network = "paper"\napproval = true\napprovers = ["readers"]'
    file = Path("channelmix.toml")
    file.write_text(file.read_text().replace('network = "paper"', asked))


def test_what_is_published_goes_out(desk: Work, command: Command) -> None:
    Path("lamp.png").write_bytes(b"png")
    done = command(*LAMPS, "--attach", "lamp.png", "--set", "link=https://example.org/?a=b")
    assert (done.code, done.out) == (0, "Outbox 1: queued.\n")
    desk()
    (line,) = command("outbox", "--json").json
    assert (line["state"], line["action"], line["ticket"]) == ("sent", "publish", None)
    assert line["details"] == {"title": "Lamps", "link": "https://example.org/?a=b"}
    (file,) = line["files"]
    assert Path(file).read_bytes() == b"png"


@pytest.mark.slow
@pytest.mark.usefixtures("approving")
def test_it_is_held_until_an_approver_says_yes(desk: Work, command: Command) -> None:
    done = command(*LAMPS, "--by", "carl")
    assert done.out == "Outbox 1: held until a second person approves it.\n"
    desk()  # it works all the same, and does not wait
    out = command("outbox").out
    assert "held" in out
    assert "channelmix outbox show ID" in out
    for told in ("Outbox 1 · publish on letters · held · by carl", "title: Lamps", "Turn it off"):
        assert told in command("outbox", "show", 1).out
    done = command("outbox", "approve", 1, "--by", "carl")
    expected = "outbox 1: carl wrote it, so another person has to approve it"
    assert (done.code, done.error) == (1, expected)
    done = command("outbox", "approve", 1, "--by", "bea")
    expected = "outbox 1: bea is none of those who may approve on letters: readers"
    assert (done.code, done.error) == (1, expected)
    assert command("outbox", "approve", 1, "--by", "anna").out == "Outbox 1: approved, queued.\n"
    desk()
    line = command("outbox", "show", 1, "--json").json
    assert (line["state"], line["approved_by"]) == ("sent", "anna")


@pytest.mark.usefixtures("approving")
def test_what_is_held_can_be_cancelled_and_taken_up_again(desk: Work, command: Command) -> None:
    command(*LAMPS)
    assert command("outbox", "cancel", 1).out == "Outbox 1: cancelled.\n"
    out = command("outbox", "retry", 1).out
    assert out == "Outbox 1: held until a second person approves it again.\n"
    assert command("outbox", "show", 2).error == "there is no outbox 2"


@pytest.mark.parametrize(
    ("options", "code", "why"),
    [
        (["--set", "Lamps"], 2, "Lamps: write NAME=VALUE"),
        (["--set", "=Lamps"], 2, "=Lamps: write NAME=VALUE"),
        (["--set", "title=a", "--set", "title=b"], 2, "title is said twice"),
        (["--set", "tilte=a"], 1, "there is no tilte in what is published here; did you mean"),
        (["--attach", "none.png"], 2, "'none.png' does not exist"),
        ([], 1, "there is nothing to say"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    configured: Path, command: Command, options: list[str], code: int, why: str
) -> None:
    done = command("publish", "letters", *options)
    assert done.code == code
    assert why in done.error
    assert command("outbox", "--json").json == []


def test_where_nobody_can_answer_the_place_is_named(work: Work, command: Command) -> None:
    letter = {"id": "b1", "who": "bea", "text": "Hm", "url": "https://paper.example/b1"}
    work(json.dumps([{**letter, "no_reply": "it came as a telegram"}]).encode())
    done = command("reply", 1, "Thanks")
    expected = "the network takes no answer: it came as a telegram: https://paper.example/b1"
    assert (done.code, done.error) == (1, expected)
    done = command("reply", 1, "Thanks", "--private")
    assert (done.code, done.error) == (1, expected)
    assert command("act", 1, "hide").code == 0  # that is no answer
