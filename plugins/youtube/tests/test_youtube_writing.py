"""What goes out, and looking whether it did."""

from datetime import timedelta

import pytest
from attrs import evolve
from channelmix.errors import AuthorizationLost, Rejected, RetryLater, Uncertain
from channelmix.records import Action, Draft, Identity, Kind, Message, limits_for
from channelmix_youtube.simulator_world import RefusedError

REPLY = Action.PUBLIC_REPLY


async def test_a_reply_stands_below_the_comment(y) -> None:
    top = y.sim.comment(y.video, "@mira", "Wie?")
    receipt = await y.channel.reply(y.outgoing(REPLY, top, "So."))
    assert [one.id for one in top.replies] == list(receipt.ids)
    assert top.replies[0].text == "So."
    assert y.paid == (0, 50)


async def test_a_reply_to_a_reply_goes_to_the_top_and_names_whom_it_is_for(y) -> None:
    top = y.sim.comment(y.video, "@mira", "Wie?")
    reply = y.sim.answer_to(top, "@jonas", "Und bei mir?")
    await y.channel.reply(y.outgoing(REPLY, reply, "Auch so."))
    await y.channel.reply(y.outgoing(REPLY, reply, "Hallo @Jonas, auch so."))
    assert [one.text for one in top.replies[1:]] == ["@jonas Auch so.", "Hallo @Jonas, auch so."]


async def test_a_video_that_mentions_us_is_answered_by_a_thread(y) -> None:
    film = y.sim.video("Über die Stadtwerke", owner="UCsomebodyelse0000000000")
    target = Message(
        id=film.id,
        kind=Kind.MENTION,
        thread=film.id,
        sent_at=film.published,
        author=Identity(id=film.owner),
    )
    receipt = await y.channel.reply(y.outgoing(REPLY, None, "Danke!", target=target))
    assert y.sim.world.comments[receipt.ids[0]].video == film.id
    found = await y.channel.reconcile(y.outgoing(REPLY, None, "Danke!", target=target))
    assert found.ids == receipt.ids


async def test_a_chat_message_is_answered_in_the_chat(on_stage) -> None:
    async with on_stage(live=True) as y:
        stream = y.sim.video("Live", live=True)
        y.sim.say(stream, "Mira", "Hört man mich?")
        (target,) = await y.walk("live")
        receipt = await y.channel.reply(y.outgoing(REPLY, None, "Ja!", target=target))
        assert y.sim.world.chats[stream.chat][-1].id == receipt.ids[0]
        part = y.outgoing(REPLY, None, "Ja!", target=target)
        assert (await y.channel.reconcile(part)).status == "unknown"
        with pytest.raises(Rejected, match="open the stream"):
            await y.channel.reply(y.outgoing(Action.HIDE, None, target=target))


async def test_what_waits_for_review_is_not_answered(y) -> None:
    y.sim.comment(y.video, "@mira", "Wie?", status="heldForReview")
    (target,) = await y.walk("held")
    with pytest.raises(Rejected, match="publish it first"):
        await y.channel.reply(y.outgoing(REPLY, None, "So.", target=target))
    assert "POST comments" not in y.calls()


async def test_our_chat_message_is_deleted_in_the_chat_and_never_changed(on_stage) -> None:
    async with on_stage(live=True) as y:
        stream = y.sim.video("Live", live=True)
        y.sim.say(stream, "Mira", "Hört man mich?")
        (target,) = await y.walk("live")
        (own,) = (await y.channel.reply(y.outgoing(REPLY, None, "Ja!", target=target))).ids
        with pytest.raises(Rejected, match="cannot be changed"):
            await y.channel.reply(y.outgoing(Action.EDIT, None, target=target, own_id=own))
        await y.channel.reply(y.outgoing(Action.DELETE, None, target=target, own_id=own))
        assert y.sim.world.chats[stream.chat][-1].removes == own
        await y.channel.reply(y.outgoing(Action.DELETE, None, target=target, own_id="gone"))


async def test_what_is_too_long_for_a_chat_is_said_before_it_costs_anything(on_stage) -> None:
    async with on_stage(live=True) as y:
        y.sim.say(y.sim.video("Live", live=True), "Mira", "Hört man mich?")
        (target,) = await y.walk("live")
        draft = Draft(channel="tube", action=REPLY, target=target, text="x" * 201)
        found = await y.channel.review(draft)
        assert [(one.level, one.text) for one in found.findings] == [
            ("block", "the text has 201 characters, 200 are possible in a chat")
        ]
        assert await y.channel.review(evolve(draft, text="x" * 200)) is None
        assert await y.channel.review(evolve(draft, channel="another")) is None
        with pytest.raises(Rejected, match="201 characters"):
            await y.channel.reply(y.outgoing(REPLY, None, "x" * 201, target=target))
        assert y.paid[1] == 0


async def test_moderation(y) -> None:
    top = y.sim.comment(y.video, "@mira", "Kauft bei mir!")
    for action, status in (
        (Action.HIDE, "heldForReview"),
        (Action.UNHIDE, "published"),
        (Action.DELETE, "rejected"),
    ):
        part = y.outgoing(action, top)
        assert (await y.channel.reconcile(part)).status == "absent"
        await y.channel.reply(part)
        assert top.status == status
        assert (await y.channel.reconcile(part)).status == "found"
    await y.channel.reply(y.outgoing(Action.BAN, top))
    assert y.sim.world.banned == {top.author}


async def test_the_status_of_a_reply_cannot_be_seen_and_is_set_again(y) -> None:
    top = y.sim.comment(y.video, "@mira", "Wie?")
    reply = y.sim.answer_to(top, "@jonas", "Kauft bei mir!")
    part = y.outgoing(Action.HIDE, reply)
    await y.channel.reply(part)
    assert reply.status == "heldForReview"
    assert (await y.channel.reconcile(part)).status == "absent"
    await y.channel.reply(part)  # does no harm
    await y.channel.reply(y.outgoing(Action.DELETE, reply))
    assert (await y.channel.reconcile(y.outgoing(Action.DELETE, reply))).status == "found"


async def test_our_own_words_can_be_changed_and_deleted(y) -> None:
    top = y.sim.comment(y.video, "@mira", "Wie?")
    (own,) = (await y.channel.reply(y.outgoing(REPLY, top, "So."))).ids
    edit = y.outgoing(Action.EDIT, top, "Besser so.", own_id=own)
    assert (await y.channel.reconcile(edit)).status == "absent"
    await y.channel.reply(edit)
    assert y.sim.world.comments[own].text == "Besser so."
    assert (await y.channel.reconcile(edit)).status == "found"
    delete = y.outgoing(Action.DELETE, top, own_id=own)
    assert (await y.channel.reconcile(delete)).status == "absent"
    await y.channel.reply(delete)
    assert top.replies == []
    assert (await y.channel.reconcile(delete)).status == "found"
    await y.channel.reply(delete)


async def test_a_lost_answer_is_uncertain_and_found(y) -> None:
    top = y.sim.comment(y.video, "@mira", "Wie?")
    y.sim.fault("close_after_accept", on="POST /comments")
    part = y.outgoing(REPLY, top, "So.")
    with pytest.raises(Uncertain):
        await y.channel.reply(part)
    found = await y.channel.reconcile(part)
    assert (found.status, found.ids) == ("found", (top.replies[0].id,))
    assert (await y.channel.reconcile(evolve(part, taken=frozenset(found.ids)))).status == "absent"


async def test_what_never_arrived_is_absent_and_an_older_one_is_not_it(y) -> None:
    top = y.sim.comment(y.video, "@mira", "Wie?")
    await y.channel.reply(y.outgoing(REPLY, top, "So."))
    y.clock.advance(timedelta(hours=1))
    assert (await y.channel.reconcile(y.outgoing(REPLY, top, "So."))).status == "absent"


@pytest.mark.parametrize(
    ("status", "reason", "error"),
    [
        (403, "quotaExceeded", RetryLater),
        (403, "rateLimitExceeded", RetryLater),
        (401, "authError", AuthorizationLost),
        (403, "forbidden", Rejected),
        (403, "commentsDisabled", Rejected),
        (404, "parentCommentNotFound", Rejected),
        (400, "processingFailure", Uncertain),
        (500, "backendError", Uncertain),
        (503, "", Uncertain),
        (418, "teapot", Rejected),
    ],
)
async def test_errors_are_told_apart_by_their_reason(y, status, reason, error) -> None:
    top = y.sim.comment(y.video, "@mira", "Wie?")
    y.sim.refusals["POST comments"] = RefusedError(status, reason)
    with pytest.raises(error) as caught:
        await y.channel.reply(y.outgoing(REPLY, top, "So."))
    assert type(caught.value) is error or issubclass(type(caught.value), Rejected)
    assert top.replies == []


async def test_a_text_that_is_too_long_or_empty_is_refused(y) -> None:
    top = y.sim.comment(y.video, "@mira", "Wie?")
    for text in ("x" * 10_001, " "):
        with pytest.raises(Rejected):
            await y.channel.reply(y.outgoing(REPLY, top, text))
    await y.channel.reply(y.outgoing(REPLY, top, "x" * 10_000))


def test_the_limits_say_what_is_possible_and_what_it_costs() -> None:
    from channelmix_youtube.replies import LIMITS

    reply = limits_for(LIMITS, REPLY, Kind.COMMENT)
    assert reply is not None
    assert reply.cost is not None
    assert (reply.text, reply.attachments) == (10_000, 0)
    assert reply.cost(Draft(channel="tube", action=REPLY)) == 50
    assert limits_for(LIMITS, Action.PRIVATE_REPLY, Kind.COMMENT) is None
    assert limits_for(LIMITS, Action.LIKE, Kind.COMMENT) is None
