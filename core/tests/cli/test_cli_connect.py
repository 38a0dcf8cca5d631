"""`channelmix connect`: by a browser on this machine, or by copy and paste."""

from __future__ import annotations

import asyncio
import io
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from channelmix import allowances
from channelmix.cli import connect
from channelmix.desk import Desk
from channelmix.records import Forecast
from channelmix.store import schema

Command = Callable[..., Any]
DONE = "letters is connected as The Reader, until 02 Jan 2099 04:04.\n"


def plugin(desk: Desk) -> Any:
    return desk.registry.get("letters")


def kept() -> Any:
    async def look() -> Any:
        async with Desk.open("channelmix.toml", work=False) as desk:
            return await plugin(desk).vault.get()

    return asyncio.run(look())


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., list[httpx.Response]]]:
    """A person with a browser who, once told the address, comes back by these ways in turn."""
    threads: list[threading.Thread] = []

    def comes_back(*ways: str) -> list[httpx.Response]:
        seen: list[httpx.Response] = []
        telling = connect._tell

        def tell(connected: Any) -> None:
            telling(connected)
            home = httpx.URL(connected.url).params["redirect_uri"]

            def browse() -> None:
                for way in ways:
                    url = httpx.URL(home).join(way)
                    seen.append(httpx.get(url, trust_env=False))

            threads.append(threading.Thread(target=browse))
            threads[-1].start()

        monkeypatch.setattr(connect, "_tell", tell)
        return seen

    yield comes_back
    for one in threads:
        one.join(10)


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    return lambda text: monkeypatch.setattr(sys, "stdin", io.StringIO(text))


def test_a_browser_on_this_machine_brings_the_answer(
    configured: Path, command: Command, browser: Any
) -> None:
    seen = browser(
        "/favicon.ico",
        "/callback?code=forged&state=s-2",
        "/callback?code=forged",
        "/callback?code=good-&state=s-1",
    )
    done = command("connect", "letters", "--port", "0")
    assert (done.code, done.err) == (0, "")
    assert "\nhttps://paper.example/agree?state=s-1&redirect_uri=http://127.0.0.1:" in done.out
    assert done.out.endswith(DONE)
    assert [one.status_code for one in seen] == [404, 400, 400, 200]
    assert "go back to the terminal" in seen[-1].text
    assert kept() == {"access_token": "good-v-1"}


def test_who_does_not_agree_ends_it(configured: Path, command: Command, browser: Any) -> None:
    browser("/callback?state=s-1&error=access_denied")
    done = command("connect", "letters", "--port", "0")
    assert (done.code, done.error) == (1, "the network says no: access_denied")
    assert kept() is None


def test_nobody_is_waited_for_for_ever(
    configured: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connect, "PATIENCE", 0.01)
    done = command("connect", "letters", "--port", "0")
    assert (done.code, done.error) == (1, "nobody has logged in for 0 minutes: start again")


def test_a_port_that_is_taken_is_named(configured: Path, command: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = command("connect", "letters", "--port", port)
    assert done.code == 1
    assert done.error.startswith(f"port {port} of 127.0.0.1: ")
    assert done.error.endswith("choose another by --port")


@pytest.mark.parametrize(
    "pasted",
    [
        "http://127.0.0.1:8917/callback?code=good-&state=s-1",
        "  https://a.b/?state=s-1&code=good-  ",
    ],
)
def test_on_a_server_the_address_is_pasted(
    configured: Path, command: Command, typed: Any, pasted: str
) -> None:
    typed(f"{pasted}\n")
    done = command("connect", "letters", "--paste")
    assert (done.code, done.err) == (0, "")
    assert "redirect_uri=http://127.0.0.1:8917/callback\n" in done.out
    assert done.out.endswith(DONE)
    assert kept() == {"access_token": "good-v-1"}


def test_a_registered_address_may_be_anywhere(
    configured: Path, command: Command, typed: Any
) -> None:
    typed("https://acme.example/back?code=good-&state=s-1\n")
    done = command("connect", "letters", "--paste", "--redirect-uri", "https://acme.example/back")
    assert "redirect_uri=https://acme.example/back\n" in done.out
    assert done.code == 0
    done = command("connect", "letters", "--redirect-uri", "https://acme.example/back")
    assert (done.code, "goes with --paste" in done.error) == (2, True)


@pytest.mark.parametrize(
    ("pasted", "why"),
    [
        ("https://acme.example/back", "this address has no `?` with an answer after it"),
        ("https://acme.example/back?code=a&state=s-2", "this is no answer to the address"),
    ],
)
def test_what_is_pasted_wrong_is_refused(
    configured: Path, command: Command, typed: Any, pasted: str, why: str
) -> None:
    typed(f"{pasted}\n")
    done = command("connect", "letters", "--paste")
    assert (done.code, why in done.error) == (1, True)
    assert kept() is None


def test_an_unknown_channel_is_named(configured: Path, command: Command) -> None:
    done = command("connect", "leters")
    assert (done.code, done.error) == (1, "there is no channel leters; did you mean letters?")


# --- what a budget looks like --------------------------------------------------------------------


@pytest.fixture
def metered(folder: Path) -> None:
    """Let what the paper prints cost."""
    plugin = folder.parent / "site" / "invented_paper.py"
    text = plugin.read_text().replace('unit="letters"', 'unit="letters", cost=lambda draft: 0.2')
    text = text.replace("    Action, ", "    Action, Allowance, ")
    plugin.write_text(
        f"""{text}
    sources = [__import__("channelmix").records.Source(name="print", cost=0.25)]

    @property
    def allowance(self):
        return Allowance(unit="USD", amount=2.0, period="month", timezone="Europe/Berlin")
"""
    )


def test_the_channels_show_the_budget(metered: None, configured: Path, command: Command) -> None:
    async def spend() -> None:
        async with Desk.open("channelmix.toml", work=False) as desk:
            await plugin(desk).budget.spend(0.5)
            printed = {"channel": plugin(desk).name, "source": "print", "next_at": desk.clock.now()}
            await desk.store.write(lambda c: c.execute(schema.sources.insert().values(printed)))

    asyncio.run(spend())
    out = command("channels").out
    assert "0.5 of 2 USD spent, 1.5 left (1.5 for polls) until 01 " in out
    assert "0.25 USD" in out
    (line,) = command("channels", "--json").json
    assert line["sources"][0]["cost"] == 0.25
    assert (line["spending"]["spent"], line["spending"]["left_for_polls"]) == (0.5, 1.5)
    early = line["spending"]["forecast"] is None  # a month is young for fifteen hours
    assert early == ("; at this pace" not in out)


NOON = datetime(2099, 3, 4, 12, tzinfo=UTC)
LASTS = Forecast(left=0.75)
POLLS_WAIT = Forecast(left=0.25, polls_until=NOON)
USED_UP = Forecast(used_up_at=NOON)


@pytest.mark.parametrize(
    ("told", "text"),
    [
        (LASTS, "; at this pace 0.75 are left then"),
        (POLLS_WAIT, "; at this pace polls wait from 04 Mar 2099 13:00 on, 0.25 are left then"),
        (USED_UP, "; at this pace it is used up on 04 Mar 2099 13:00"),
    ],
)
def test_the_channels_show_what_will_be_left(
    told: Forecast,
    text: str,
    metered: None,
    configured: Path,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(allowances, "forecast", lambda *_: told)
    assert text in command("channels").out
    (line,) = command("channels", "--json").json
    assert line["spending"]["forecast"]["left"] == told.left


def test_a_review_tells_the_cost(metered: None, configured: Path, command: Command) -> None:
    done = command("review", "letters", "Thanks", "--kind", "comment")
    assert (done.code, "warn: this costs 0.2 USD (cost)" in done.out) == (0, True)
