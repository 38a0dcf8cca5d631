from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]
RECORDED = Path(__file__).parents[4] / "shared" / "recorded" / "meta" / "shapes"


def lines(done: Any) -> list[Any]:
    return [json.loads(line) for line in done.out.splitlines()]


def test_one_json_line_for_each_raw_event(letters: Path, command: Command, folder: Path) -> None:
    first, second, third, fourth = lines(command("ingest", "paper", letters, "--json"))
    assert first == {
        "file": str(letters),
        "key": "a1",
        "inbounds": [
            {
                "type": "message",
                "kind": "comment",
                "id": "a1",
                "thread": "page 1",
                "author": {"id": "bea", "name": "Bea"},
                "text": "Where is page 2?",
                "sent_at": "2026-03-04T05:06:00Z",
                "attachments": [],
                "own": False,
                "opens_window": True,
            }
        ],
    }
    assert second["inbounds"][0]["text"].endswith("\u202e")
    assert third == {"file": str(letters), "key": "a3", "ignored": "an empty sheet"}
    assert fourth == {"file": str(letters), "key": "a4", "quarantined": "the letter is torn"}
    assert [one.name for one in folder.iterdir()] == ["letters.json"]


def test_an_echo_says_what_its_message_says(folder: Path, command: Command) -> None:
    sheet = {"id": "b", "who": "us", "text": "Thanks", "ours": True, "sketch": True}
    Path("echo.json").write_text(json.dumps([sheet]))
    ((inbound,),) = [
        one["inbounds"] for one in lines(command("ingest", "paper", "echo.json", "--json"))
    ]
    assert (inbound["type"], inbound["id"], inbound["text"]) == ("echo", "b", "Thanks")
    assert inbound["attachments"] == [{"kind": "image", "text": "a sketch"}]


def test_people_get_a_table(letters: Path, command: Command) -> None:
    out = command("ingest", "paper", letters).out
    assert "Where is page 2?" in out
    assert "the letter is torn" in out
    assert "an empty sheet" in out
    assert "\x1b" not in out


def test_what_is_no_payload_at_all_is_quarantined(folder: Path, command: Command) -> None:
    Path("broken.json").write_bytes(b"\xff{")
    (line,) = lines(command("ingest", "paper", "broken.json", "--json"))
    assert "ingest" in line["quarantined"]


@pytest.mark.parametrize("as_text", [False, True])
def test_of_a_recorded_exchange_the_answer_counts(
    letters: Path,
    command: Command,
    as_text: bool,  # noqa: FBT001 - parametrized
) -> None:
    said = letters.read_text()
    answer = {"status": 200, "body": said if as_text else json.loads(said)}
    exchange = {"request": {"method": "GET", "body": None}, "response": answer}
    Path("exchange.json").write_text(json.dumps(exchange))
    found = lines(command("ingest", "paper", "exchange.json", "--json"))
    plain = lines(command("ingest", "paper", letters, "--json"))
    assert [{**one, "file": ""} for one in found] == [{**one, "file": ""} for one in plain]


def test_standard_input(letters: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(letters.read_bytes()))
    monkeypatch.setattr(sys, "stdin", stream)
    found = lines(command("ingest", "paper", "-", "--json"))
    assert [(one["file"], one["key"]) for one in found][:2] == [("-", "a1"), ("-", "a2")]


@pytest.mark.parametrize(
    "headers", ["X-Stamp: red-stamp-of-1843\n", '{"X-Stamp": "red-stamp-of-1843"}']
)
def test_with_headers_the_signature_is_checked(
    configured: Path, letters: Path, command: Command, headers: str
) -> None:
    Path("good.txt").write_text(headers)
    Path("bad.txt").write_text(headers.replace("red", "blue"))
    done = command("ingest", "letters", letters, "--headers", "good.txt", "--json")
    assert (done.code, len(lines(done))) == (0, 4)
    done = command("ingest", "letters", letters, "--headers", "bad.txt", "--json")
    assert done.code == 1
    assert lines(done) == [{"file": str(letters), "refused": "no stamp"}]
    assert "no stamp" in command("ingest", "letters", letters, "--headers", "bad.txt").out


def test_headers_that_cannot_be_read_are_one_line(letters: Path, command: Command) -> None:
    Path("bad.txt").write_text("no colon")
    done = command("ingest", "paper", letters, "--headers", "bad.txt")
    assert (done.code, "--headers: write JSON" in done.error) == (2, True)


@pytest.mark.parametrize(
    ("headers", "why"),
    [(b"X-Stamp: \xff", "is no UTF-8 text"), (b'{"a": ' + b"[" * 100_000, "nested too deep")],
)
def test_headers_that_are_rubbish_are_no_bug(
    letters: Path, command: Command, headers: bytes, why: str
) -> None:
    Path("bad.txt").write_bytes(headers)
    done = command("ingest", "paper", letters, "--headers", "bad.txt")
    assert (done.code, why in done.error) == (2, True)


def test_a_configured_channel_needs_no_secret_and_says_what_is_not_its_own(
    configured: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PAPER_STAMP")
    Path("one.json").write_text(json.dumps([{"id": "c", "box": "8", "who": "d", "text": "Hm"}]))
    (line,) = lines(command("ingest", "letters", "one.json", "--json"))
    assert line["unrouted"] == "8"
    assert line["inbounds"][0]["text"] == "Hm"


def test_a_channel_that_is_switched_off_can_be_asked(
    configured: Path, letters: Path, command: Command
) -> None:
    text = Path("channelmix.toml").read_text()
    Path("channelmix.toml").write_text(text.replace('box = "7"', 'box = "7"\nenabled = false'))
    assert len(lines(command("ingest", "letters", letters, "--json"))) == 4


def test_no_such_channel(letters: Path, command: Command) -> None:
    done = command("ingest", "papr", letters)
    assert (done.code, done.error) == (
        1,
        "there is no channel and no network papr; did you mean paper?",
    )


def test_recorded_payloads_of_facebook(folder: Path, command: Command) -> None:
    pytest.importorskip("channelmix_facebook", reason="the network is a package of its own")
    if not RECORDED.is_dir():
        pytest.skip("the recorded payloads are not beside this repository")
    files = sorted(RECORDED.glob("*.json"))
    found = {
        Path(one["file"]).stem: one
        for one in lines(command("ingest", "facebook", *files, "--json"))
    }
    assert found.keys() == {file.stem for file in files}
    assert found["feed-comment-add"]["inbounds"][0]["type"] == "message"
    assert found["dashboard-test-button"]["ignored"] == "dashboard test"
