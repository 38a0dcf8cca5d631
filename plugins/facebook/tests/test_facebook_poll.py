import json
from datetime import timedelta
from typing import Any

import pytest
from channelmix.errors import AuthorizationLost, Rejected, RetryLater
from channelmix.records import (
    Action,
    Echo,
    Kind,
    Message,
    Outgoing,
    Payload,
    Poll,
    RawEvent,
    WebhookRequest,
    minutes,
)
from channelmix.testing.simulator import Answer
from channelmix_facebook.parsing_changes import NO_REVIEW_REPLY
from channelmix_meta.simulator_reading import RefusedError


async def walk(s: Any, source: str, cursor: Any = None) -> tuple[list[RawEvent], Any, int]:
    """Poll to the end, each cursor going through JSON as the store would have it."""
    events, pages, more = [], 0, True
    while more:
        polled = await s.page.poll(Poll(source=source, cursor=json.loads(json.dumps(cursor))))
        events += polled.events
        cursor, more, pages = polled.cursor, polled.more, pages + 1
    return events, cursor, pages


def meant(s: Any, events: list[RawEvent]) -> list[Message]:
    """Return the messages in events, our own too."""
    inbounds = [one for event in events for one in s.page.ingest(event).inbounds]
    return [one.message if isinstance(one, Echo) else one for one in inbounds]


def ids(s: Any, events: list[RawEvent]) -> set[str]:
    return {one.id for one in meant(s, events)}


async def test_the_feed_brings_posts_comments_and_answers(s: Any) -> None:
    nested = s.sim.comment(s.comment, "Ole Brandt", "Meins auch.", photo=s.sim.media())
    visitor = s.sim.visitor_post("Ayşe Kaya", None, photo=s.sim.media())
    events, _, _ = await walk(s, "feed")
    found = {one.id: one for one in meant(s, events)}
    assert set(found) == {s.post.id, s.comment.id, nested.id, visitor.id}
    assert (found[nested.id].thread, found[nested.id].parent) == (s.post.id, s.comment.id)
    assert found[visitor.id].attachments[0].url == s.sim.media()
    assert found[s.post.id].own


async def test_the_next_poll_brings_only_what_is_new(s: Any) -> None:
    s.clock.advance(minutes(30))
    s.sim.visitor_post("Ayşe Kaya", "Wann kommt der Zähler?")
    _, cursor, _ = await walk(s, "feed")
    s.clock.advance(minutes(30))
    new = s.sim.comment(s.post, "Ole Brandt", "Und am Sonntag?")
    events, cursor, _ = await walk(s, "feed", cursor)
    assert new.id in ids(s, events)
    assert s.comment.id not in ids(s, events)
    assert json.loads(json.dumps(cursor)) == cursor


async def test_polling_again_gives_equal_keys(s: Any) -> None:
    first, _, _ = await walk(s, "feed")
    again, _, _ = await walk(s, "feed")
    assert [one.key for one in first] == [one.key for one in again]
    s.sim.edit(s.comment, "Wo ist mein Paket denn?")
    edited, _, _ = await walk(s, "feed")
    assert len({one.key for one in edited} - {one.key for one in first}) == 1


async def test_all_pages_are_read(s: Any) -> None:
    posts = {s.sim.visitor_post("Ayşe Kaya", f"Frage {n}").id for n in range(60)}
    events, cursor, pages = await walk(s, "feed")
    assert posts <= ids(s, events)
    assert pages == 3
    assert set(cursor) == {"since"}


async def test_comments_that_do_not_fit_are_read_on(s: Any) -> None:
    comments = {s.sim.comment(s.post, "Ole Brandt", f"Nr. {n}").id for n in range(70)}
    events, cursor, _ = await walk(s, "feed")
    assert comments <= ids(s, events)
    assert {one.thread for one in meant(s, events)} == {s.post.id}
    assert set(cursor) == {"since"}


async def test_a_walk_begins_anew_when_its_cursor_is_too_old(s: Any) -> None:
    for number in range(60):
        s.sim.visitor_post("Ayşe Kaya", f"Frage {number}")
    polled = await s.page.poll(Poll(source="feed"))
    events, cursor, _ = await walk(s, "feed", {**polled.cursor, "after": "outdated"})
    assert len(ids(s, events)) == 62
    assert set(cursor) == {"since"}
    with pytest.raises(Rejected, match="cursor"):
        await walk(s, "feed", {**polled.cursor, "after": "outdated", "again": True})


async def test_a_post_that_goes_while_its_comments_are_read(s: Any) -> None:
    for number in range(30):
        s.sim.comment(s.post, "Ole Brandt", f"Nr. {number}")
    polled = await s.page.poll(Poll(source="feed"))
    assert polled.more
    s.sim.remove(s.post)
    events, cursor, _ = await walk(s, "feed", polled.cursor)
    assert (events, set(cursor)) == ([], {"since"})


async def test_the_first_poll_looks_back_two_days(s: Any) -> None:
    old = s.sim.comment(s.post, "Ole Brandt", "Ganz alt.")
    s.clock.advance(timedelta(days=3))
    new = s.sim.comment(s.post, "Ole Brandt", "Ganz neu.")
    found = ids(s, (await walk(s, "feed"))[0])
    assert new.id in found
    assert old.id not in found


async def test_an_old_post_is_watched_for_new_comments(s: Any) -> None:
    _, cursor, _ = await walk(s, "feed")
    for number in range(30):
        s.clock.advance(minutes(60))
        s.sim.visitor_post("Ayşe Kaya", f"Frage {number}")
    _, cursor, _ = await walk(s, "feed", cursor)
    s.clock.advance(timedelta(days=10))
    late = s.sim.comment(s.post, "Ole Brandt", "Gilt das noch?")
    assert late.id in ids(s, (await walk(s, "feed", cursor))[0])


async def test_conversations_bring_messages_of_both_sides(s: Any) -> None:
    photo = s.sim.direct_message("Mira Sommer", None, attachments=[s.sim.picture()])
    ours = s.sim.native_reply(s.note, "Wir prüfen das.")
    found = {one.id: one for one in meant(s, (await walk(s, "conversations"))[0])}
    assert set(found) == {s.note.id, ours.id, photo.id}
    assert found[ours.id].own
    assert {found[s.note.id].thread, found[ours.id].thread} == {s.note.author.id}
    assert found[photo.id].attachments[0].url == s.sim.media()


async def test_only_new_messages_of_a_conversation(s: Any) -> None:
    s.clock.advance(minutes(30))
    middle = s.sim.direct_message("Jonas Weber", "Hallo?")
    _, cursor, _ = await walk(s, "conversations")
    s.clock.advance(minutes(30))
    new = s.sim.direct_message("Jonas Weber", "Noch da?")
    # What is just before the end of the last poll is read again: the network may show it late.
    assert ids(s, (await walk(s, "conversations", cursor))[0]) == {middle.id, new.id}


async def test_mentions_and_reviews(s: Any) -> None:
    mention = s.sim.mention("Ole Brandt", "Die @Stadtwerke wieder.")
    review = s.sim.review("Ayşe Kaya", "Nie wieder.", positive=False)
    (tagged,) = meant(s, (await walk(s, "tagged"))[0])
    assert (tagged.id, tagged.kind) == (mention.id, Kind.MENTION)
    (rated,) = meant(s, (await walk(s, "ratings"))[0])
    assert (rated.id, rated.kind, rated.rating) == (review.id, Kind.REVIEW, "negative")


async def test_a_recommendation_is_answered_on_facebook(s: Any) -> None:
    review = s.sim.review("Ayşe Kaya", "Nie wieder.", positive=False)
    (event,) = (await walk(s, "ratings"))[0]
    (rated,) = meant(s, [event])
    assert rated.no_reply == NO_REVIEW_REPLY
    assert str(rated.url).endswith(review.id)
    with pytest.raises(Rejected, match="no app answer"):
        await s.page.reply(
            Outgoing(token="t", channel="page", action=Action.PUBLIC_REPLY, target=rated, text="x")
        )


async def test_recommendations_that_cannot_be_read_are_no_fault(s: Any) -> None:
    s.sim.refuse(RefusedError(12, "(#12) This field is deprecated"), on="GET /ratings")
    s.sim.refuse(RefusedError(12, "(#12) This field is deprecated"), on="GET /tagged")
    polled = await s.page.poll(Poll(source="ratings", cursor={"since": 7.0}))
    assert (polled.events, polled.cursor, polled.more) == ((), {"since": 7.0}, False)
    assert polled.again_in == timedelta(days=1)
    with pytest.raises(Rejected):
        await s.page.poll(Poll(source="tagged"))


async def test_push_and_sweep_tell_the_same(s: Any) -> None:
    """What a sweep finds later has the ids and threads that the webhook gave."""
    s.sim.webhook = "http://127.0.0.1:9/unused"
    s.sim.comment(s.comment, "Ole Brandt", "Meins auch.")
    s.sim.visitor_post("Ayşe Kaya", "Wann kommt der Zähler?")
    s.sim.mention("Ole Brandt", "Die @Stadtwerke wieder.")
    s.sim.review("Ayşe Kaya", "Gut.")
    s.sim.direct_message("Jonas Weber", "Hallo?")
    body, headers = s.sim.wrap([one for one in s.sim.events() if one.pushed])
    received = s.page.receive(WebhookRequest(method="POST", headers=headers, body=body))
    pushed = meant(s, list(s.page.split(Payload(body=received.payload)).events))
    swept = []
    for source in ("feed", "tagged", "ratings", "conversations"):
        swept += meant(s, (await walk(s, source))[0])
    facts = {(one.id, one.kind, one.thread, one.text, one.no_reply) for one in pushed}
    assert len(facts) == 5
    assert facts <= {(one.id, one.kind, one.thread, one.text, one.no_reply) for one in swept}


async def test_a_look_up_fetches_one_object(s: Any) -> None:
    for source, thing in (("post", s.post), ("comment", s.comment), ("message", s.note)):
        polled = await s.page.poll(Poll(source=source, argument=thing.id))
        assert thing.id in ids(s, polled.events)
        assert not polled.more


async def test_a_look_up_of_what_is_gone_is_rejected(s: Any) -> None:
    s.sim.remove(s.comment)
    with pytest.raises(Rejected, match="gone"):
        await s.page.poll(Poll(source="comment", argument=s.comment.id))


async def test_links_with_the_token_are_never_kept(s: Any) -> None:
    for number in range(60):
        s.sim.comment(s.post, "Ole Brandt", f"Nr. {number}")
    polled = await s.page.poll(Poll(source="feed"))
    kept = json.dumps(polled.cursor) + "".join(one.body.decode() for one in polled.events)
    served = b"".join(one.answer.raw for one in s.sim.sent)
    assert s.sim.access_token.encode() in served
    assert s.sim.access_token not in kept


async def test_a_missing_permission_stops_one_list_only(s: Any) -> None:
    s.sim.permissions.discard("pages_read_user_content")
    with pytest.raises(Rejected, match="permission"):
        await walk(s, "ratings")
    assert (await walk(s, "conversations"))[0]


@pytest.mark.parametrize(
    "answer",
    [
        Answer(body=b"<html>soon back</html>", content_type="text/html"),
        Answer(body=[]),
        Answer(body=b"[" * 5000),
        Answer(status=500, body=b""),
        Answer(status=429, body=b""),
        Answer(status=500, body=RefusedError(2, "").body()),
    ],
    ids=["html", "list", "deep", "500", "429", "code 2"],
)
async def test_a_bad_answer_is_asked_for_again(s: Any, answer: Answer) -> None:
    s.sim.fault("error_before_accept", on="GET /feed", answer=answer)
    with pytest.raises(RetryLater):
        await walk(s, "feed")


async def test_a_lost_answer_is_asked_for_again(s: Any) -> None:
    for fault in ("timeout_after_accept", "close_after_accept"):
        s.sim.fault(fault, on="GET /feed")
        with s.impatient(), pytest.raises(RetryLater):
            await walk(s, "feed")
    assert (await walk(s, "feed"))[0]


async def test_a_dead_token_stops_everything(s: Any) -> None:
    s.sim.token_problem = 463
    with pytest.raises(AuthorizationLost):
        await walk(s, "feed")


async def test_a_wrong_app_secret_is_noticed(s: Any) -> None:
    s.sim.app_secret = "another"
    with pytest.raises(Rejected, match="appsecret_proof"):
        await walk(s, "feed")


async def test_polls_slow_down_before_the_limit(s: Any) -> None:
    s.sim.usage = {"x-page-usage": json.dumps({"call_count": 85})}
    await walk(s, "ratings")
    assert s.brake.holds == [(s.clock.now() + minutes(5.5), False, "85 % of a rate limit is used")]


def test_the_declared_sources_can_all_be_polled(s: Any) -> None:
    timed = {one.name for one in s.page.sources if one.every}
    assert timed == {"feed", "conversations", "tagged", "ratings"}
    assert {one.name for one in s.page.sources} - timed >= {"post", "comment", "message"}
