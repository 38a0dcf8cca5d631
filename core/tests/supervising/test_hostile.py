"""Bad plugins beside a good one, in a real `channelmix run`: the good one loses nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from channelmix.registry import HOOKS

Fixture = Callable[..., Any]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
MEDDLERS = "[plugins.meddler]\n[plugins.leaving]\n"
STUCK = "a" * 60 + "!"
"""Takes a backtracking regular expression longer than the universe is old."""


def channelmix(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command beside the running desk."""
    command = [sys.executable, "-m", "channelmix", "--config", "beside.toml", *words]
    return subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)


def reply(folder: Path, ticket: int) -> None:
    assert channelmix(folder, "reply", str(ticket), "Hello").returncode == 0


def state_of(ask: Fixture, channel: str) -> tuple[str, str]:
    [found] = [one for one in ask("channels") if one["name"] == channel]
    return found["state"], found["why"] or ""


def ticket_of(ask: Fixture, channel: str) -> int:
    """Return the id of the only ticket of a channel, as soon as it is there."""
    deadline = monotonic() + 60
    while not (found := ask("tickets", "--channel", channel)):
        assert monotonic() < deadline
    [ticket] = found
    return int(ticket["id"])


def test_what_raises_lies_leaks_hangs_or_talks_harms_only_itself(
    folder: Path,
    configure: Fixture,
    run: Fixture,
    tell: Fixture,
    ask: Fixture,
    customers: Fixture,
    accounted: Fixture,
) -> None:
    configure("raising", "exiting", "lying", "hanging", "leaking", "talking", more=MEDDLERS)
    desk = run()
    desk.up()
    crowd = customers(desk.webhook("calm"))
    for mood, fault in (("raising", "Nasty"), ("exiting", "SystemExit"), ("lying", "object")):
        assert tell(desk.webhook(mood), {"id": mood, "text": mood}) == 200
        assert fault in desk.log("plugin_fault", f'"channel":"{mood}"', '"hook":"ingest"')["what"]
    assert tell(desk.webhook("talking"), {"id": "t", "text": "t"}) == 503
    assert tell(desk.webhook("hanging"), {"id": "h", "text": "h"}) == 200
    desk.log("plugin_fault", '"channel":"meddler"', '"hook":"classify"', "Nasty")
    crowd.wait_for_more()
    accounted("calm", crowd.leave())
    assert ask("ledger")["fates"]["quarantined"] == 3
    assert state_of(ask, "calm") == ("ok", "")
    assert state_of(ask, "talking") == ("disabled", "the secret *** is wrong")
    reply(folder, ticket_of(ask, "hanging"))
    desk.log("hanging", '"hook":"reply"')
    assert desk.stop() == 0
    assert ask("outbox")[0]["state"] == "uncertain"
    assert "tasks.left_behind" in desk.output
    assert "secret-" not in desk.output


def test_a_hook_that_raises_harms_nobody_else_whichever_it_is(
    folder: Path,
    configure: Fixture,
    run: Fixture,
    tell: Fixture,
    ask: Fixture,
    customers: Fixture,
    accounted: Fixture,
) -> None:
    configure(*sorted(HOOKS), more=MEDDLERS)
    desk = run()
    desk.up()
    crowd = customers(desk.webhook("calm"))
    answers = {name: tell(desk.webhook(name), {"id": name, "text": name}) for name in HOOKS}
    assert answers == dict.fromkeys(HOOKS, 200) | {"open": 503, "receive": 500}
    desk.log("plugin_fault", '"channel":"unlock"', '"hook":"unlock"')
    for name in ("reply", "reconcile"):
        ticket = ticket_of(ask, name)
        spoken = channelmix(folder, "--debug", "reply", str(ticket), "Hello")
        assert ("hook=review" in spoken.stderr, spoken.returncode) == (True, 0), spoken.stderr
    offered = channelmix(folder, "--debug", "suggest", str(ticket))
    assert ("hook=suggest" in offered.stderr, offered.returncode) == (True, 0)
    joined = channelmix(folder, "connect", "connect")
    assert "connect.connect: Nasty at hostile_networks.py" in joined.stderr.splitlines()[-1]
    assert joined.returncode == 1
    for name in set(HOOKS) - {"review", "suggest", "connect", "close", "classify", "assign"}:
        fault = desk.log("plugin_fault", f'"channel":"{name}"', f'"hook":"{name}"')
        assert fault["what"].startswith("Nasty at hostile_networks.py")
    for name in ("classify", "assign"):
        desk.log("plugin_fault", '"channel":"meddler"', f'"hook":"{name}"', "Nasty")
    crowd.wait_for_more()
    accounted("calm", crowd.leave())
    accounted("unlock", {"unlock"})
    assert ask("ledger")["fates"]["quarantined"] == 2, "what could be neither cut nor read"
    assert desk.stop() == 0
    assert '"channel":"close","hook":"close"' in desk.output


def test_a_hook_that_never_ends_pauses_its_channel_and_no_other(
    configure: Fixture,
    run: Fixture,
    tell: Fixture,
    ask: Fixture,
    customers: Fixture,
    accounted: Fixture,
) -> None:
    configure("backtracking", "looping", "tame")
    desk = run("--patience", "3")
    desk.up()
    crowd = customers(desk.webhook("calm"))
    before = desk.seen()
    assert tell(desk.webhook("looping"), {"id": "l", "text": "loop"}) == 200
    stalled = desk.log("loop.stands_still", "looping")  # a busy machine stalls it, too
    assert (stalled["plugin"], stalled["hook"]) == ("looping", "ingest")
    assert stalled["place"].startswith("hostile_networks.py:")
    desk.log("plugin.paused", '"plugin":"looping"')
    desk.up(after=before)
    before = desk.seen()
    assert tell(desk.webhook("backtracking"), {"id": "b", "text": STUCK}) == 200
    paused = desk.log("plugin.paused", '"plugin":"backtracking"')
    assert "backtracking.ingest did not come to an end at hostile_networks.py" in paused["why"]
    desk.up(after=before)
    for mood in ("looping", "backtracking", "tame"):
        assert tell(desk.webhook(mood), {"id": f"{mood} later", "text": "fine"}) == 200
    crowd.wait_for_more()
    accounted("calm", crowd.leave(), unsettled=4)
    accounted("tame", {"fine"}, unsettled=4)
    for mood in ("looping", "backtracking"):
        state, why = state_of(ask, mood)
        assert state == "paused"
        assert "UTC" in why
    assert state_of(ask, "tame")[0] == "ok"
    assert desk.stop() == 0


def test_a_hook_that_ends_the_process_is_paused_and_its_event_waits(
    folder: Path,
    configure: Fixture,
    run: Fixture,
    tell: Fixture,
    customers: Fixture,
    accounted: Fixture,
) -> None:
    configure("vanishing")
    desk = run("--cool-down", "2")
    desk.up()
    crowd = customers(desk.webhook("calm"))
    marker = str(folder / "been here")
    assert tell(desk.webhook("vanishing"), {"id": "v", "text": marker}) == 200
    assert "vanishing.ingest ended the worker (exit code 0)" in desk.log("plugin.paused")["why"]
    desk.log("plugin_resumed", '"channel":"vanishing"')
    accounted("calm", crowd.leave())
    accounted("vanishing", {marker})
    assert desk.stop() == 0


def test_an_event_that_hangs_again_and_again_is_quarantined_and_its_channel_goes_on(
    configure: Fixture, run: Fixture, tell: Fixture, ask: Fixture, accounted: Fixture
) -> None:
    configure("looping")
    desk = run("--patience", "2", "--cool-down", "0.5")
    desk.up()
    events = [{"id": name, "text": name} for name in ("before", "loop", "after")]
    assert tell(desk.webhook("looping"), *events) == 200
    told = desk.log("event.poisonous", '"plugin":"looping"')
    assert "looping.ingest did not come to an end at hostile_networks.py" in told["why"]
    accounted("looping", {"before", "after"})
    ledger = ask("ledger")
    assert ledger["fates"] == {"ticket": 2, "quarantined": 1}
    assert [why for why in ledger["reasons"] if "3 times" in why]
    assert state_of(ask, "looping")[0] == "ok"
    assert desk.stop() == 0


def test_what_a_killed_worker_was_sending_is_unclear_at_once(
    folder: Path, configure: Fixture, run: Fixture, tell: Fixture, ask: Fixture, accounted: Fixture
) -> None:
    configure("hanging")
    desk = run()
    desk.up()
    assert tell(desk.webhook("hanging"), {"id": "h", "text": "h"}) == 200
    accounted("hanging", {"h"})
    reply(folder, ask("tickets")[0]["id"])
    desk.log("hanging", '"hook":"reply"')
    os.kill(desk.worker(), signal.SIGKILL)
    # The lease of a sender that is only silent lasts for three minutes.
    desk.log("hanging", '"hook":"reconcile"')
    assert ask("outbox")[0]["state"] == "uncertain"
