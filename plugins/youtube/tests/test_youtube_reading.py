"""What the lists of comments bring, and what it means."""

import json
from datetime import timedelta

import pytest
from attrs import evolve
from channelmix.errors import Rejected, RetryLater
from channelmix.records import Action, Deletion, Kind, Message, Poll
from channelmix_youtube.simulator_world import RefusedError


async def test_a_comment_stands_below_its_video(y) -> None:
    comment = y.sim.comment(
        y.video, "@mira", "Welcher Schraubendreher?", image="https://yt3.x/a.gif"
    )
    (told,) = await y.walk()
    assert (told.kind, told.thread, told.parent) == (Kind.COMMENT, y.video.id, y.video.id)
    assert (told.author.id, told.author.handle) == (comment.author, "@mira")
    assert told.text == "Welcher Schraubendreher?"
    assert told.url == f"https://www.youtube.com/watch?v={y.video.id}&lc={comment.id}"
    assert told.attachments[0].url == "https://yt3.x/a.gif"
    assert (told.hidden, told.no_reply) == (False, None)


async def test_a_reply_stands_below_the_comment_in_the_same_thread(y) -> None:
    top = y.sim.comment(y.video, "@mira", "Wie?")
    reply = y.sim.answer_to(top, "@jonas", "So?")
    told = {one.id: one for one in await y.walk()}
    assert (told[reply.id].thread, told[reply.id].parent) == (y.video.id, top.id)


async def test_what_we_said_ourselves_is_an_echo(y, echoes) -> None:
    top = y.sim.comment(y.video, "@mira", "Wie?")
    y.sim.answer_to(top, "@stadtwerke", "So.", author=y.sim.account)
    (echo,) = echoes(await y.walk())
    assert (echo.own, echo.text, echo.parent) == (True, "So.", top.id)


async def test_only_what_is_new_comes_again(y, texts) -> None:
    y.sim.comment(y.video, "@mira", "eins")
    await y.walk()
    y.clock.advance(timedelta(minutes=20))
    y.sim.comment(y.video, "@jonas", "zwei")
    assert texts(await y.walk()) == ["zwei"]
    y.clock.advance(timedelta(minutes=20))
    assert await y.walk() == []


async def test_an_unchanged_page_is_not_sent_again(y) -> None:
    y.sim.comment(y.video, "@mira", "eins")
    await y.walk()
    await y.walk()
    assert [one.answer.status for one in y.sim.sent] == [200, 304]


async def test_many_new_comments_are_read_over_pages(y, texts) -> None:
    for number in range(250):
        y.sim.comment(y.video, f"@p{number}", f"Frage {number}")
    assert len(texts(await y.walk())) == 250
    assert y.calls().count("GET commentThreads") == 3


async def test_all_replies_are_read_though_a_thread_shows_five(y, texts) -> None:
    top = y.sim.comment(y.video, "@mira", "Wie?")
    for number in range(120):
        y.sim.answer_to(top, f"@p{number}", f"So {number}")
    assert len(set(texts(await y.walk()))) == 121
    assert y.calls().count("GET comments") == 2


async def test_the_sweep_finds_a_new_reply_to_an_old_thread(y, texts) -> None:
    top = y.sim.comment(y.video, "@mira", "Wie?")
    for number in range(120):
        y.sim.comment(y.video, f"@p{number}", "spaeter")
    await y.walk()
    await y.walk("threads")
    y.clock.advance(timedelta(hours=3))
    y.sim.answer_to(top, "@jonas", "Immer noch so?")
    assert texts(await y.walk()) == []  # too far down for the newest page
    assert texts(await y.walk("threads")) == ["Immer noch so?"]


async def test_an_edit_is_the_same_item_in_a_new_version(y) -> None:
    comment = y.sim.comment(y.video, "@mira", "Wie?")
    (first,) = await y.walk("threads")
    y.clock.advance(timedelta(hours=1))
    y.sim.edit(comment, "Wie denn?")
    (second,) = await y.walk("threads")
    assert (second.id, second.text) == (first.id, "Wie denn?")
    assert second.revision != first.revision


async def test_what_was_deleted_is_noticed_by_its_absence(y) -> None:
    top = y.sim.comment(y.video, "@mira", "Wie?")
    reply = y.sim.answer_to(top, "@jonas", "So?")
    y.sim.comment(y.video, "@eva", "Und?")
    await y.walk("threads")
    y.sim.remove(reply)
    (gone,) = await y.walk("threads")
    assert gone == Deletion(id=reply.id, at=y.clock.now(), thread=y.video.id)
    y.sim.remove(top)
    (gone,) = await y.walk("threads")
    assert (type(gone), gone.id) == (Deletion, top.id)
    assert await y.walk("threads") == []


async def test_what_left_the_list_but_is_there_has_another_status(y) -> None:
    comment = y.sim.comment(y.video, "@mira", "Wie?")
    await y.walk("threads")
    comment.status = "heldForReview"
    (told,) = await y.walk("threads")
    assert (told.id, told.thread, told.hidden) == (comment.id, y.video.id, True)


@pytest.mark.parametrize(("source", "status"), [("held", "heldForReview"), ("spam", "likelySpam")])
async def test_what_only_the_owner_sees_is_a_request_that_waits(y, source, status) -> None:
    comment = y.sim.comment(y.video, "@mira", "Wie?", status=status)
    assert await y.walk() == []
    (told,) = await y.walk(source)
    assert told.hidden
    assert "publish it first" in told.no_reply
    comment.status = "published"
    (told,) = await y.walk(source)
    assert (told.hidden, told.no_reply, told.thread) == (False, None, y.video.id)


@pytest.mark.parametrize(("source", "status"), [("held", "heldForReview"), ("spam", "likelySpam")])
async def test_a_reply_that_only_the_owner_sees_waits_as_well(y, texts, source, status) -> None:
    top = y.sim.comment(y.video, "@mira", "Wie?")
    y.sim.answer_to(top, "@eva", "So.")
    reply = y.sim.answer_to(top, "@jonas", "Und bei mir?")
    reply.status = status
    assert texts(await y.walk()) == ["Wie?", "So."]
    (told,) = await y.walk(source)
    assert (told.text, told.hidden, told.parent) == ("Und bei mir?", True, top.id)
    assert await y.walk(source) == []
    reply.status = "published"
    (told,) = await y.walk(source)
    assert (told.id, told.hidden, told.no_reply) == (reply.id, False, None)


async def test_a_held_reply_that_is_rejected_is_gone(y) -> None:
    top = y.sim.comment(y.video, "@mira", "Wie?")
    reply, other = (y.sim.answer_to(top, name, "Und bei mir?") for name in ("@jonas", "@eva"))
    reply.status = other.status = "heldForReview"
    assert len(await y.walk("held")) == 2
    reply.status = "rejected"
    (gone,) = await y.walk("held")
    assert (type(gone), gone.id) == (Deletion, reply.id)


async def test_a_reply_that_is_released_late_is_news_whatever_its_time(y, texts) -> None:
    top = y.sim.comment(y.video, "@mira", "Wie?")
    late = y.sim.answer_to(top, "@jonas", "Immer noch so?")
    late.status = "likelySpam"
    await y.walk("threads")
    y.clock.advance(timedelta(hours=3))
    y.sim.comment(y.video, "@eva", "Und?")
    assert texts(await y.walk("threads")) == ["Und?"]
    late.status = "published"
    assert texts(await y.walk("threads")) == ["Immer noch so?"]


async def test_a_comment_that_is_released_late_is_news_whatever_its_time(y, texts) -> None:
    y.sim.comment(y.video, "@mira", "Wie?")
    y.clock.advance(timedelta(minutes=1))
    late = y.sim.comment(y.video, "@jonas", "Warum?", status="likelySpam")
    await y.walk("threads")
    y.clock.advance(timedelta(hours=3))
    y.sim.comment(y.video, "@eva", "Und?")
    assert texts(await y.walk("threads")) == ["Und?"]
    late.status = "published"
    assert texts(await y.walk("threads")) == ["Warum?"]


async def test_what_was_there_long_before_we_began_is_no_news_when_it_comes_up(y, texts) -> None:
    old = y.sim.comment(y.video, "@first", "alt")
    for number in range(7):
        y.sim.answer_to(old, f"@p{number}", "auch alt")
    y.clock.advance(timedelta(days=10))
    newer = y.sim.comment(y.video, "@mira", "Wie?")
    assert texts(await y.walk("threads")) == ["Wie?"]
    y.sim.remove(newer)
    y.sim.answer_to(old, "@jonas", "neu")
    assert texts(await y.walk("threads")) == ["neu"]


async def test_what_comes_up_from_below_the_sweep_is_no_news(y, texts, monkeypatch) -> None:
    monkeypatch.setattr("channelmix_youtube.polling.DEPTH", 1)
    y.sim.comment(y.video, "@first", "alt")
    y.clock.advance(timedelta(days=10))
    newer = [y.sim.comment(y.video, f"@p{number}", "neu") for number in range(100)]
    assert len(await y.walk("threads")) == 100
    y.sim.remove(newer[-1])
    assert texts(await y.walk("threads")) == []


@pytest.mark.parametrize("others", [0, 8])
async def test_a_reply_in_place_of_a_deleted_one_is_noticed(y, texts, others) -> None:
    top = y.sim.comment(y.video, "@mira", "Wie?")
    first = y.sim.answer_to(top, "@jonas", "So?")
    for number in range(others):
        y.sim.answer_to(top, f"@p{number}", "Auch so")
    await y.walk("threads")
    y.clock.advance(timedelta(hours=1))
    y.sim.remove(first)
    y.sim.answer_to(top, "@eva", "Anders?")
    if others:
        top.replies.insert(0, top.replies.pop())  # the newest is among the five that are shown
    told = await y.walk("threads")
    assert texts(told) == ["Anders?"]
    assert [one.id for one in told if isinstance(one, Deletion)] == [first.id]


async def test_one_deleted_comment_does_not_hide_what_became_of_the_others(y) -> None:
    gone, held, rejected = (y.sim.comment(y.video, "@mira", f"Wie {n}?") for n in range(3))
    reply = y.sim.answer_to(gone, "@jonas", "So?")
    await y.walk("threads")
    y.sim.remove(gone)
    held.status, rejected.status = "heldForReview", "rejected"
    told = await y.walk("threads")
    deleted = {one.id for one in told if isinstance(one, Deletion)}
    assert deleted == {gone.id, reply.id, rejected.id}
    (changed,) = [one for one in told if not isinstance(one, Deletion)]
    assert (changed.id, changed.hidden) == (held.id, True)
    assert "publish it first" in changed.no_reply


async def test_a_stale_page_token_begins_the_walk_anew_once(y, texts) -> None:
    for number in range(150):
        y.sim.comment(y.video, f"@p{number}", f"Frage {number}")
    first = await y.channel.poll(Poll(source="comments"))
    y.sim.spoil_pages()
    y.cursors["comments"] = first.cursor
    assert len(set(texts(await y.walk()))) == 50


async def test_the_quota_that_ends_in_the_middle_loses_nothing(y, texts) -> None:
    for number in range(150):
        y.sim.comment(y.video, f"@p{number}", f"Frage {number}")
    first = await y.channel.poll(Poll(source="comments"))
    y.sim.refusals["GET commentThreads"] = RefusedError(403, "quotaExceeded")
    y.cursors["comments"] = json.loads(json.dumps(first.cursor))
    with pytest.raises(RetryLater) as caught:
        await y.walk()
    assert caught.value.after == timedelta(hours=23)  # 9:00 UTC is 1:00 in California
    ((until, replies, _),) = y.brake.holds
    assert replies
    assert until == y.clock.now() + timedelta(hours=23)
    y.sim.refusals.clear()
    assert len(texts(await y.walk())) == 50


@pytest.mark.parametrize(
    ("reason", "status"), [("commentsDisabled", 403), ("channelNotFound", 404), ("forbidden", 403)]
)
async def test_a_list_that_is_refused_says_why(y, reason, status) -> None:
    y.sim.refusals["GET commentThreads"] = RefusedError(status, reason)
    with pytest.raises(Rejected, match=r"GET commentThreads: .+ \(status"):
        await y.walk()


async def test_a_hundred_thousand_comments_cost_a_bounded_sweep(y, texts) -> None:
    old = y.sim.comment(y.video, "@first", "alt")
    for number in range(1_500):
        y.sim.world.comments[f"Ug{number}"] = type(old)(
            id=f"Ug{number}",
            video=old.video,
            author=f"UC{number}",
            name="@p",
            text="x",
            published=old.published - timedelta(days=10, seconds=number),
            updated=old.updated - timedelta(days=10, seconds=number),
        )
    assert texts(await y.walk("threads")) == ["alt"]
    assert y.calls().count("GET commentThreads") == 10
    assert await y.walk("threads") == []
    assert len(json.dumps(y.cursors["threads"])) < 200_000
    y.cursors.clear()
    assert texts(await y.walk()) == ["alt"]


async def test_many_new_comments_at_once_leave_a_small_cursor(y, texts, monkeypatch) -> None:
    monkeypatch.setattr("channelmix_youtube.polling.KNOWN", 200)
    for number in range(1_000):
        y.sim.comment(y.video, f"@p{number}", f"Frage {number}")
    seen, polled = [], await y.channel.poll(Poll(source="comments"))
    while polled.more:
        assert len(polled.cursor["threads"]) <= 200
        seen += polled.events
        polled = await y.channel.poll(Poll(source="comments", cursor=polled.cursor))
    assert len({one.key for one in [*seen, *polled.events]}) == 1_000
    y.cursors["comments"] = polled.cursor
    assert texts(await y.walk()) == []


async def test_polls_never_touch_the_reserve(y) -> None:
    y.purse.allowance = evolve(y.purse.allowance, amount=100, reserve=95)
    y.sim.comment(y.video, "@mira", "Wie?")
    for _ in range(5):
        await y.walk()
    with pytest.raises(RetryLater):
        await y.walk()
    assert (y.paid, len(y.sim.sent)) == ((5, 0), 5)


async def test_a_look_up_reads_one_video_or_says_that_it_is_gone(y) -> None:
    (event,) = (await y.channel.poll(Poll(source="video", argument=y.video.id))).events
    told, article = y.channel.ingest(event).inbounds
    assert (told.id, article.id) == (y.video.id, y.video.id)
    with pytest.raises(Rejected, match="is gone"):
        await y.channel.poll(Poll(source="video", argument="nowhere"))


async def test_videos_of_others_that_mention_us_are_mentions(on_stage) -> None:
    async with on_stage(search=("Stadtwerke", "Musterstadt")) as y:
        film = y.sim.video("Die Stadtwerke sind toll", owner="UCsomebodyelse0000000000")
        y.sim.video("Stadtwerke: unser Film")
        (told,) = await y.walk("search")
        assert (told.kind, told.id, told.own) == (Kind.MENTION, film.id, False)
        assert y.again_in == timedelta(minutes=14, seconds=24)  # a hundred a day
        assert y.paid == (0, 0)  # searches have a bucket of their own
        await y.walk("search")
        rules = [one.request.query["q"] for one in y.sim.sent]
        assert rules == ["Stadtwerke", "Musterstadt"]


async def test_searches_that_are_used_up_stop_no_reply(on_stage) -> None:
    async with on_stage(search=("Stadtwerke",)) as y:
        y.sim.project.searches = 1
        top = y.sim.comment(y.video, "@mira", "Wie?")
        await y.walk("search")
        with pytest.raises(RetryLater) as caught:
            await y.walk("search")
        assert caught.value.after == timedelta(hours=23)
        assert y.brake.holds == []
        await y.channel.reply(y.outgoing(Action.PUBLIC_REPLY, top))


async def test_without_rules_nothing_is_searched(y) -> None:
    assert await y.walk("search") == []
    assert y.sim.sent == []


async def test_the_chat_of_a_running_stream_is_read(on_stage) -> None:
    async with on_stage(live=True) as y:
        assert await y.walk("live") == []
        stream = y.sim.video("Live aus dem Werk", live=True)
        said = y.sim.say(stream, "Mira", "Hört man mich?")
        y.sim.say(stream, "Stadtwerke", "Ja!", author=y.sim.account)
        told, echo = await y.walk("live")
        assert (told.text, told.thread, told.payload) == (
            said.text,
            stream.id,
            f"live:{stream.chat}",
        )
        assert echo.message.own
        assert y.again_in >= timedelta(seconds=5)
        y.sim.unsay(said)
        (gone,) = await y.walk("live")
        assert (type(gone), gone.id) == (Deletion, said.id)
        y.sim.say(stream, "Jonas", "Und mich?")
        y.sim.spoil_pages()
        assert "Und mich?" in [one.text for one in await y.walk("live") if isinstance(one, Message)]
        y.sim.end(stream)
        assert await y.walk("live") == []
        assert "chat" not in (y.cursors["live"] or {})


async def test_a_cursor_survives_json_and_the_same_cursor_brings_the_same_keys(y) -> None:
    top = y.sim.comment(y.video, "@mira", "Wie?")
    y.sim.answer_to(top, "@jonas", "So?")
    for source in ("comments", "threads", "held", "videos"):
        first = await y.channel.poll(Poll(source=source))
        again = await y.channel.poll(Poll(source=source))
        assert [one.key for one in first.events] == [one.key for one in again.events]
        assert json.loads(json.dumps(first.cursor)) == first.cursor


async def test_text_is_taken_as_it_was_written(y, texts) -> None:
    text = "1 < 2 && 'so' <b>oder</b> so\n🙂 \u202eabc"
    y.sim.comment(y.video, "@mira", text)
    assert texts(await y.walk()) == [text]
