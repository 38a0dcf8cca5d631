"""The simulated account refuses what the real one refuses."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from channelmix.demo import phrases
from channelmix.demo.clock import DayClock
from channelmix_instagram.demo import InstagramDemo
from channelmix_instagram.simulator import InstagramSimulator
from channelmix_instagram.simulator_world import handle
from channelmix_meta.signing import signature_ok
from channelmix_meta.simulator_world import Person

WEEK = timedelta(days=7)


async def say(s: Any, **params: Any) -> Any:
    """Write to Jonas by hand; return the error's code and subcode."""
    given = {
        "recipient": json.dumps({"id": s.note.author.id}),
        "message": json.dumps({"text": "Hallo"}),
        "messaging_type": "RESPONSE",
        **params,
    }
    return await s.code("POST", "me/messages", **given)


async def test_windows_and_tags(s: Any) -> None:
    s.clock.advance(timedelta(hours=24, minutes=1))
    tagged = {"messaging_type": "MESSAGE_TAG", "tag": "HUMAN_AGENT"}
    assert await say(s) == (10, 2534022)
    assert await say(s, messaging_type="MESSAGE_TAG", tag="ACCOUNT_UPDATE") == (100, None)
    s.sim.human_agent = False
    assert await say(s, **tagged) == (10, None)
    s.sim.human_agent = True
    s.clock.advance(WEEK)
    assert await say(s, **tagged) == (10, 2534022)


async def test_who_cannot_be_written_to(s: Any) -> None:
    assert await say(s, recipient=json.dumps({"id": "4711"})) == (100, 2018001)
    s.sim.unavailable("Jonas Weber")
    assert await say(s) == (551, 1545041)


@pytest.mark.parametrize(
    "message",
    [
        {"text": "ü" * 501},
        {"text": "a", "metadata": "x", "mood": "y"},
        {"attachment": {"type": "file", "payload": {"url": "https://media.example/1.pdf"}}},
        {"attachment": {"type": "image", "payload": {"attachment_id": "none"}}},
        {},
    ],
)
async def test_what_cannot_be_sent(s: Any, message: Any) -> None:
    assert (await say(s, message=json.dumps(message)))[0] == 100


async def test_only_a_visible_top_level_comment_is_answered(s: Any) -> None:
    nested = s.sim.comment(s.comment, "Ole Brandt", "Und wann?")
    live = s.sim.comment(s.sim.post("Live!", live=True), "Ole Brandt", "Hallo!")
    for one in (nested, live):
        assert await s.code("POST", f"{one.id}/replies", message="Hallo") == (100, None)
    s.comment.hidden = True
    assert await s.code("POST", f"{s.comment.id}/replies", message="Hallo") == (100, None)
    s.comment.hidden = False
    for text in ("", "x" * 2201):
        assert await s.code("POST", f"{s.comment.id}/replies", message=text) == (100, None)


async def test_what_is_elsewhere_is_seen_as_a_mention_only(s: Any) -> None:
    thing = s.sim.mention("Ole Brandt", "Hallo?", in_comment=True)
    assert await s.code("GET", thing.id) == (100, 33)
    assert await s.code("POST", f"{thing.id}/replies", message="Hallo") == (100, 33)
    fields = "mentioned_comment.comment_id(4711){id}"
    assert await s.code("GET", s.sim.account, fields=fields) == (100, 33)


async def test_a_misspelt_name_is_refused(s: Any) -> None:
    assert await s.code("GET", f"{s.sim.account}/media", fields="captoin") == (100, None)
    assert await s.code("POST", s.comment.id, hidden="true") == (100, None)
    assert await s.code("POST", f"{s.sim.account}/likes") == (100, None)
    assert await s.code("POST", s.comment.id) == (100, None)


@pytest.mark.parametrize("what", ["comments", "messages"])
async def test_permissions_are_those_of_the_log_in(s: Any, what: str) -> None:
    mine = "instagram_business" if s.sim.login == "instagram" else "instagram"
    other = "instagram" if s.sim.login == "instagram" else "instagram_business"
    s.sim.permissions.discard(f"{other}_manage_{what}")
    path = f"{s.comment.id}/replies" if what == "comments" else "me/conversations"
    assert (await s.call("GET", path))[0] == 200
    s.sim.permissions.discard(f"{mine}_manage_{what}")
    assert (await s.call("GET", path))[0] == 403


async def test_a_token_ends(stage: Any) -> None:
    async with stage("instagram") as s:
        assert (await s.call("GET", "me"))[0] == 200
        s.clock.advance(timedelta(days=60))
        assert (await s.call("GET", "me"))[0] == 401


def test_webhooks_have_the_shape_of_the_log_in() -> None:
    shapes = []
    for login in ("facebook", "instagram"):
        sim = InstagramSimulator(clock=DayClock(behind=WEEK), login=login)
        sim.comment(sim.post("Der Bus"), "Ole Brandt", "Straße 1/2?")
        body, headers = sim.wrap(sim.events())
        assert signature_ok(sim.app_secret, headers, body)
        assert body.isascii()
        assert b"Stra\\u00dfe 1\\/2?" in body
        shapes.append(set(json.loads(body)["entry"][0]))
    assert shapes == [{"id", "time", "changes"}, {"id", "time", "field", "value"}]


@pytest.mark.parametrize("name", phrases.PEOPLE)
def test_everybody_has_a_name_at_instagram(name: str) -> None:
    found = handle(Person(id="1", name=name))
    assert found
    assert found.isascii()
    assert " " not in found


async def customers(seed: int, events: int = 90) -> list[tuple[str, str]]:
    async def go_on() -> None:
        """Wait for nobody."""

    demo = InstagramDemo(clock=DayClock(behind=WEEK), seed=seed)
    await demo.play(events, go_on)
    return [(one.name, one.subject) for one in demo.sim.events()]


async def test_the_same_seed_brings_the_same_customers_and_a_day_has_everything() -> None:
    assert await customers(1) == await customers(1)
    assert await customers(1) != await customers(2)
    kinds = {name for name, _ in await customers(1)}
    assert kinds >= {
        *("comment add", "message add", "mention add", "message edit", "message remove"),
        *("reaction add", "echo add"),
    }
