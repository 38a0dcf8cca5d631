import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from channelmix.errors import AuthorizationLost, Rejected
from channelmix.records import Deletion, Ingested, Lookup, Message, Poll, minutes
from channelmix_instagram.polling import mentioned
from channelmix_meta import polling
from channelmix_meta.simulator_reading import RefusedError


async def walk(s: Any, source: str, cursor: Any = None) -> tuple[list[Any], Any]:
    """Poll to the end; the cursor goes through JSON each time, as the core stores it."""
    events, more = [], True
    while more:
        page = await s.channel.poll(Poll(source=source, cursor=cursor))
        events += page.events
        cursor, more = json.loads(json.dumps(page.cursor)), page.more
    return events, cursor


def said(s: Any, events: list[Any]) -> Mapping[str, Any]:
    """Read events; what was said, by its id."""
    found = {}
    for event in events:
        told: Ingested = s.channel.ingest(event)
        for one in told.inbounds:
            message = one if isinstance(one, Message) else getattr(one, "message", None)
            if message is not None:
                found[message.id] = message
    return found


async def test_media_with_comments_and_nested_replies(s: Any) -> None:
    nested = s.sim.comment(s.comment, "Ole Brandt", "Das wüsste ich auch gern.")
    own = s.sim.native_reply(s.comment, "Am Markt.")
    found = said(s, (await walk(s, "media"))[0])
    assert found.keys() == {s.post.id, s.comment.id, nested.id, own.id}
    assert found[nested.id].parent == s.comment.id
    assert found[own.id].own
    assert found[s.comment.id].url.startswith("https://www.instagram.com/p/")


async def test_a_second_walk_brings_what_is_new_also_below_what_is_old(s: Any) -> None:
    s.clock.advance(timedelta(hours=1))
    s.sim.comment(s.post, "Ole Brandt", "Hallo?")
    _, cursor = await walk(s, "media")
    s.clock.advance(timedelta(hours=1))
    late = s.sim.comment(s.comment, "Ole Brandt", "Und wann?", push=False)
    found = said(s, (await walk(s, "media", cursor))[0])
    assert late.id in found
    assert found[late.id].thread == s.post.id
    seen, cursor = await walk(s, "media", cursor)
    s.clock.advance(timedelta(hours=1))
    again, _ = await walk(s, "media", cursor)
    assert {one.key for one in again} <= {one.key for one in seen}


async def test_comments_that_do_not_fit_are_gone_after(s: Any) -> None:
    made = {s.sim.comment(s.post, "Ole Brandt", f"Nr. {number}").id for number in range(130)}
    assert made <= said(s, (await walk(s, "media"))[0]).keys()


async def test_many_posts_are_turned_page_by_page(s: Any) -> None:
    made = {s.sim.post(f"Nr. {number}").id for number in range(60)}
    assert made <= said(s, (await walk(s, "media"))[0]).keys()


async def test_overlap_gives_no_new_keys(s: Any) -> None:
    first, cursor = await walk(s, "media")
    again, _ = await walk(s, "media", cursor)
    assert again
    assert {one.key for one in again} <= {one.key for one in first}


async def test_a_conversation_with_story_and_picture(s: Any) -> None:
    story = s.sim.story_reply("Jonas Weber", "Toll!")
    mention = s.sim.story_mention("Ole Brandt")
    picture = s.sim.direct_message("Jonas Weber", None, attachments=[s.sim.picture()])
    found = said(s, (await walk(s, "conversations"))[0])
    assert found.keys() == {s.note.id, story.id, mention.id, picture.id}
    assert found[story.id].kind == "story_reply"
    assert found[mention.id].attachments[0].text == "story_mention"
    assert [one.kind for one in found[picture.id].attachments] == ["image"]
    assert {one.thread for one in found.values()} == {story.author.id, mention.author.id}
    assert found[s.note.id].author.handle == "jonas.weber"


async def test_push_and_poll_are_one_thread(s: Any) -> None:
    polled = said(s, (await walk(s, "conversations"))[0])[s.note.id]
    assert polled.thread == s.note.author.id


@pytest.mark.parametrize("in_comment", [True, False])
async def test_a_mention_is_looked_up(s: Any, *, in_comment: bool) -> None:
    s.sim.webhook = "http://127.0.0.1:9/unused"
    thing = s.sim.mention("Clara Nguyen", "@stadtwerke.musterstadt hallo?", in_comment=in_comment)
    body, _ = s.sim.wrap(s.sim.events()[-1:])
    (event,) = s.channel.split(_payload(body)).events
    (lookup,) = s.channel.ingest(event).inbounds
    assert isinstance(lookup, Lookup)
    page = await s.channel.poll(Poll(source=lookup.source, argument=lookup.argument))
    found = said(s, list(page.events))
    assert found[thing.id].text == "@stadtwerke.musterstadt hallo?"
    assert (found[thing.id].kind, found[thing.id].own) == ("mention", False)


def _payload(body: bytes) -> Any:
    from channelmix.records import Payload

    return Payload(body=body)


async def test_a_comment_and_a_message_are_looked_up(s: Any) -> None:
    for source, thing in (("comment", s.comment), ("message", s.note)):
        page = await s.channel.poll(Poll(source=source, argument=thing.id))
        assert said(s, list(page.events))[thing.id].text == thing.text


async def test_what_is_gone_is_said_to_be(s: Any) -> None:
    s.sim.remove(s.comment)
    with pytest.raises(Rejected, match="gone"):
        await s.channel.poll(Poll(source="comment", argument=s.comment.id))
    with pytest.raises(Rejected, match="needs an id"):
        await s.channel.poll(Poll(source="comment"))


@pytest.mark.parametrize("argument", ["x", "1/2){token}", "a/b", "1"])
def test_a_mention_is_known_by_numbers(argument: str) -> None:
    with pytest.raises(Rejected, match="numbers"):
        mentioned(argument)


async def test_a_stale_page_begins_the_walk_anew_once(s: Any) -> None:
    stale = {"since": 0, "after": "Z29uZQ==", "newest": 0}
    page = await s.channel.poll(Poll(source="media", cursor=stale))
    assert (page.more, page.cursor) == (True, {"since": 0.0, "again": True})
    s.sim.refuse(RefusedError(100, "stale"), on="GET /media")
    with pytest.raises(Rejected):
        await s.channel.poll(Poll(source="media", cursor={**stale, "again": True}))


async def test_an_account_that_allows_no_messages_says_what_to_do(s: Any) -> None:
    s.sim.message_access = False
    with pytest.raises(Rejected, match="settings let no app read"):
        await s.channel.poll(Poll(source="conversations"))
    assert (await s.channel.poll(Poll(source="media"))).events


async def test_a_dead_token_is_named(s: Any) -> None:
    s.sim.token_problem = 463
    with pytest.raises(AuthorizationLost, match="expired"):
        await s.channel.poll(Poll(source="media"))


async def test_usage_slows_polls_down(s: Any) -> None:
    usage = [{"type": "instagram", "call_count": 80}]
    s.sim.usage = {"x-business-use-case-usage": json.dumps({s.sim.account: usage})}
    await s.channel.poll(Poll(source="media"))
    ((until, replies, _),) = s.brake.holds
    assert until > s.clock.now() + minutes(1)
    assert not replies


async def test_everything_people_do_is_told_and_understood(s: Any) -> None:
    s.sim.webhook = "http://127.0.0.1:9/unused"
    nested = s.sim.comment(s.comment, "Ole Brandt", "Und wann?")
    boosted = s.sim.comment(s.post, "Ole Brandt", "Was kostet das?", ad="7700")
    live = s.sim.comment(s.sim.post("Wir senden!", live=True), "Ole Brandt", "Hallo!")
    story = s.sim.story_reply("Ole Brandt", "Toll!")
    mention = s.sim.story_mention("Ole Brandt")
    pressed = s.sim.press("Ole Brandt", "Störung", "FAULT")
    s.sim.follow_link("Ole Brandt", "door-sign")
    s.sim.edit_note(s.note, "Neu")
    s.sim.react_to_note(s.note, "Jonas Weber", "love")
    s.sim.see("Jonas Weber", s.note)
    own = s.sim.native_reply(s.note, "Erledigt.")
    s.sim.remove(s.note)
    body, headers = s.sim.wrap(s.sim.events())
    assert s.channel.receive(_request(body, headers)).payload == body
    events = s.channel.split(_payload(body)).events
    assert {one.account for one in events} == {s.sim.account}
    told = [one for event in events for one in s.channel.ingest(event).inbounds]
    names = [type(one).__name__ for one in told[2:]]
    assert names == [
        *["Message"] * 7,
        *("Edit", "Reaction", "DeliveryStatus", "Echo", "Deletion"),
    ]
    found = said(s, list(events))
    assert {nested.id, boosted.id, live.id, story.id, mention.id, pressed, own.id} <= found.keys()
    assert found[boosted.id].thread == s.post.id
    assert found[live.id].payload == "LIVE"
    assert isinstance(told[-1], Deletion)


def _request(body: bytes, headers: Mapping[str, str]) -> Any:
    from channelmix.records import WebhookRequest

    return WebhookRequest(method="POST", headers=headers, body=body)


async def test_a_request_signed_with_another_secret_is_refused(s: Any) -> None:
    body, headers = s.sim.wrap(s.sim.events())
    assert s.channel.receive(_request(body + b" ", headers)).refused == "bad signature"


def test_the_walk_looks_back_a_little() -> None:
    assert minutes(5) == polling.OVERLAP
