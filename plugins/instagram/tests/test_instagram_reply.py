import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from attrs import evolve
from channelmix.errors import AuthorizationLost, Rejected, RetryLater, Uncertain, WindowClosed
from channelmix.library import said
from channelmix.records import Action, Attachment, AttachmentKind, Draft, Kind, limits_for, minutes
from channelmix.reviewing import findings
from channelmix_instagram import policy, polling
from channelmix_meta.simulator_reading import RefusedError

DAY, WEEK = timedelta(hours=24), timedelta(days=7)


def form(sim: Any) -> dict[str, str]:
    """Return the parameters of the last call."""
    return dict(parse_qsl(sim.sent[-1].request.body.decode()))


# what goes out


async def test_a_public_reply_stands_below_the_comment(s: Any) -> None:
    receipt = await s.channel.reply(s.answer(s.comment))
    made = s.sim.world.comments[receipt.ids[0]]
    assert (made.parent, made.text) == (s.comment.id, "Danke, wir schauen nach.")


async def test_an_answer_to_an_answer_goes_below_the_first_comment_and_names_whom(s: Any) -> None:
    nested = s.sim.comment(s.comment, "Ole Brandt", "Das wüsste ich auch gern.")
    receipt = await s.channel.reply(s.answer(nested, "Am Markt."))
    made = s.sim.world.comments[receipt.ids[0]]
    assert (made.parent, made.text) == (s.comment.id, "@ole.brandt Am Markt.")
    assert (await s.channel.reconcile(s.answer(nested, "Am Markt."))).ids == receipt.ids
    named = await s.channel.reply(s.answer(nested, "Am Markt, @ole.brandt"))
    assert s.sim.world.comments[named.ids[0]].text == "Am Markt, @ole.brandt"
    long = await s.channel.reply(s.answer(nested, "x" * policy.COMMENT_TEXT))
    assert len(s.sim.world.comments[long.ids[0]].text) == policy.COMMENT_TEXT


@pytest.mark.parametrize("in_comment", [True, False])
async def test_a_mention_is_answered_where_it_was(s: Any, *, in_comment: bool) -> None:
    thing = s.sim.mention("Ole Brandt", "@stadtwerke.musterstadt hallo?", in_comment=in_comment)
    receipt = await s.channel.reply(s.answer(thing))
    made = s.sim.world.comments[receipt.ids[0]]
    assert (made.post, made.parent) == ((thing.post, thing.id) if in_comment else (thing.id, None))
    assert (await s.channel.reconcile(s.answer(thing))).status == "unknown"


async def test_a_live_comment_is_answered_in_private_only(s: Any) -> None:
    live = s.sim.comment(s.sim.post("Wir senden!", live=True), "Ole Brandt", "Wann?")
    with pytest.raises(Rejected, match="live comment"):
        await s.channel.reply(s.answer(live))
    assert s.sim.sent == []
    assert (await s.channel.reply(s.outgoing(Action.PRIVATE_REPLY, live, "Um acht."))).ids


async def test_a_direct_message(s: Any) -> None:
    receipt = await s.channel.reply(s.answer(s.note))
    (_, sent) = s.sim.world.conversations[s.note.author.id].notes
    assert (sent.id, sent.text) == (receipt.ids[0], "Danke, wir schauen nach.")
    assert s.calls() == ["POST me/messages"]
    assert json.loads(form(s.sim)["message"]) == {"text": "Danke, wir schauen nach."}


async def test_a_story_reply_is_answered_in_the_conversation(s: Any) -> None:
    story = s.sim.story_reply("Ole Brandt", "Toll! Wo ist das?")
    await s.channel.reply(s.answer(story, "Am Markt."))
    assert s.sim.world.conversations[story.author.id].notes[-1].text == "Am Markt."


async def test_a_picture_by_address_goes_out(s: Any) -> None:
    picture = Attachment(kind=AttachmentKind.IMAGE, url=s.sim.media())
    await s.channel.reply(s.answer(s.note, "", attachments=(picture,)))
    sent = s.sim.world.conversations[s.note.author.id].notes[-1]
    assert sent.attachments == [{"type": "image", "payload": {"url": s.sim.media()}}]


async def test_a_file_is_handed_over_first(stage: Any, tmp_path: Path) -> None:
    path = tmp_path / "plan.png"
    async with stage("facebook") as s:
        path.write_bytes(s.sim.world.media["picture.png"][1])
        picture = Attachment(kind=AttachmentKind.IMAGE, path=str(path))
        await s.channel.reply(s.answer(s.note, "", attachments=(picture,)))
        assert s.calls() == ["POST me/message_attachments", "POST me/messages"]
        sent = s.sim.world.conversations[s.note.author.id].notes[-1]
        name = sent.attachments[0]["payload"]["url"].rsplit("/", 1)[1]
        assert s.sim.world.media[name] == ("image/png", path.read_bytes())
        s.sim.fault("close_after_accept", on="POST /message_attachments")
        with pytest.raises(RetryLater):
            await s.channel.reply(s.answer(s.note, "", attachments=(picture,)))


async def test_with_log_in_at_instagram_a_file_needs_an_address(stage: Any, tmp_path: Path) -> None:
    path = tmp_path / "plan.png"
    path.write_bytes(b"x")
    picture = Attachment(kind=AttachmentKind.IMAGE, path=str(path))
    async with stage("instagram") as s:
        with pytest.raises(Rejected, match="public address"):
            await s.channel.reply(s.answer(s.note, "", attachments=(picture,)))
        draft = Draft(
            channel="photos",
            action=Action.PRIVATE_REPLY,
            attachments=(picture,),
            target=s.as_message(s.note),
        )
        assert [one.code for one in (await s.channel.review(draft)).findings] == ["upload"]


async def test_hide_unhide_and_delete(s: Any) -> None:
    await s.channel.reply(s.outgoing(Action.HIDE, s.comment))
    assert s.comment.hidden
    await s.channel.reply(s.outgoing(Action.UNHIDE, s.comment))
    assert not s.comment.hidden
    (own,) = (await s.channel.reply(s.answer(s.comment))).ids
    await s.channel.reply(s.outgoing(Action.DELETE, own_id=own))
    assert own not in s.sim.world.comments
    await s.channel.reply(s.outgoing(Action.DELETE, s.comment))
    assert s.comment.id not in s.sim.world.comments


# limits and windows: before any call


@pytest.mark.parametrize(
    ("text", "fits"),
    [("a" * 1000, True), ("a" * 1001, False), ("😀" * 250, True), ("😀" * 400, False)],
)
async def test_a_direct_message_is_measured_in_bytes(s: Any, text: str, *, fits: bool) -> None:
    draft = Draft(
        channel="photos",
        action=Action.PRIVATE_REPLY,
        text=text,
        target=s.as_message(s.note),
        window_opened_at=s.note.created,
    )
    found = findings(s.channel.limits, draft, now=s.clock.now(), used=False)
    assert [one.code for one in found] == ([] if fits else ["length"])
    if fits:
        assert (await s.channel.reply(s.answer(s.note, text))).ids
    else:
        with pytest.raises(Rejected, match="100"):
            await s.channel.reply(s.answer(s.note, text))


@pytest.mark.parametrize(
    ("age", "tag"),
    [(DAY - minutes(1), None), (DAY + minutes(1), "HUMAN_AGENT"), (WEEK, "HUMAN_AGENT")],
)
async def test_a_person_may_answer_for_seven_days(s: Any, age: timedelta, tag: str | None) -> None:
    s.clock.advance(age)
    await s.channel.reply(s.answer(s.note))
    assert form(s.sim).get("tag") == tag


async def test_after_seven_days_nothing_is_called(s: Any) -> None:
    s.clock.advance(WEEK + minutes(1))
    with pytest.raises(WindowClosed):
        await s.channel.reply(s.answer(s.note))
    with pytest.raises(WindowClosed):
        await s.channel.reply(s.outgoing(Action.PRIVATE_REPLY, s.comment, "Hier."))
    assert s.sim.sent == []


async def test_a_machine_never_uses_human_agent(s: Any) -> None:
    s.clock.advance(DAY + minutes(1))
    with pytest.raises(WindowClosed):
        await s.channel.reply(s.answer(s.note, automatic=True))
    assert s.sim.sent == []


async def test_one_private_reply(s: Any) -> None:
    private = s.outgoing(Action.PRIVATE_REPLY, s.comment, "Schreiben Sie uns hier.")
    assert (await s.channel.reply(private)).ids
    with pytest.raises(Rejected, match="used up"):
        await s.channel.reply(private)


async def test_a_conversation_of_another_app_is_left_alone(s: Any) -> None:
    locked = s.answer(s.note)
    locked = evolve(locked, target=evolve(locked.target, no_reply="another app owns this"))
    with pytest.raises(Rejected, match="another app owns this"):
        await s.channel.reply(locked)
    assert s.sim.sent == []


async def test_what_is_known_before_is_said_before(s: Any) -> None:
    async def codes(thing: Any, action: Action, **more: Any) -> list[tuple[str, str]]:
        target = evolve(s.as_message(thing), **more)
        draft = Draft(channel="photos", action=action, text="Danke.", target=target)
        return [(one.level, one.code) for one in (await s.channel.review(draft)).findings]

    live = s.sim.comment(s.sim.post("Wir senden!", live=True), "Ole Brandt", "Wann?")
    assert await codes(live, Action.PUBLIC_REPLY) == [("block", "live")]
    assert await codes(s.comment, Action.PUBLIC_REPLY) == []
    assert await codes(s.comment, Action.PUBLIC_REPLY, hidden=True) == [("block", "hidden")]
    assert await codes(s.comment, Action.PRIVATE_REPLY) == [("warn", "only_one")]
    s.clock.advance(DAY + minutes(1))
    assert await codes(s.note, Action.PRIVATE_REPLY) == [("warn", "human_agent")]
    assert await s.channel.review(Draft(channel="other", action=Action.HIDE)) is None


# outcomes


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (RefusedError(190, "", subcode=463, status=401), AuthorizationLost),
        (RefusedError(10, "", subcode=2534022), WindowClosed),
        (RefusedError(100, "", subcode=2534014), Rejected),
        (RefusedError(200, "", subcode=2534041, status=403), Rejected),
        (RefusedError(551, "", subcode=1545041), Rejected),
        (RefusedError(80002, ""), RetryLater),
        (RefusedError(613, "", subcode=2534040), RetryLater),
        (RefusedError(2, "", status=503), Uncertain),
        (RefusedError(4711, "", status=400), Rejected),
    ],
    ids=lambda one: f"{one.code}-{one.subcode}" if isinstance(one, RefusedError) else one.__name__,
)
async def test_errors_are_told_apart_by_code(
    s: Any, error: RefusedError, outcome: type[Exception]
) -> None:
    s.sim.refuse(error, on="POST /messages")
    with pytest.raises(outcome) as caught:
        await s.channel.reply(s.answer(s.note))
    assert (caught.type is WindowClosed) is (outcome is WindowClosed)
    assert s.sim.access_token not in str(caught.value)


@pytest.mark.parametrize("where", ["comment", "note"])
@pytest.mark.parametrize("fault", ["timeout_after_accept", "close_after_accept"])
async def test_a_lost_answer_is_looked_for_and_found(s: Any, where: str, fault: Any) -> None:
    part = s.answer(getattr(s, where))
    s.sim.fault(fault, on="POST /replies" if where == "comment" else "POST /messages")
    with s.impatient(), pytest.raises(Uncertain):
        await s.channel.reply(part)
    found = await s.channel.reconcile(part)
    assert found.status == "found"
    assert (await s.channel.reconcile(evolve(part, taken=frozenset(found.ids)))).status == "absent"


@pytest.mark.parametrize("where", ["comment", "note"])
async def test_what_never_arrived_is_absent(s: Any, where: str) -> None:
    thing = getattr(s, where)
    s.sim.native_reply(thing, "Etwas anderes.")
    assert (await s.channel.reconcile(s.answer(thing))).status == "absent"


async def test_what_others_said_is_no_match_and_what_we_said_before_is_none(s: Any) -> None:
    s.sim.native_reply(s.comment, "Danke, wir schauen nach.")
    s.clock.advance(minutes(10))
    s.sim.comment(s.comment, "Ole Brandt", "Danke, wir schauen nach.")
    assert (await s.channel.reconcile(s.answer(s.comment))).status == "absent"


async def test_a_conversation_with_much_in_it_cannot_be_told(s: Any) -> None:
    part = s.answer(s.note)
    for _ in range(21):
        s.sim.direct_message("Jonas Weber", "Hallo?")
    assert (await s.channel.reconcile(part)).status == "unknown"


async def test_private_reply_hiding_and_deletion_are_looked_for(s: Any) -> None:
    private = s.outgoing(Action.PRIVATE_REPLY, s.comment, "Hier.")
    assert (await s.channel.reconcile(private)).status == "unknown"
    await s.channel.reply(private)
    assert (await s.channel.reconcile(private)).status == "found"
    for action, before in ((Action.HIDE, "absent"), (Action.UNHIDE, "absent")):
        part = s.outgoing(action, s.comment)
        assert (await s.channel.reconcile(part)).status == before
        await s.channel.reply(part)
        assert (await s.channel.reconcile(part)).status == "found"
    part = s.outgoing(Action.DELETE, s.comment)
    assert (await s.channel.reconcile(part)).status == "absent"
    await s.channel.reply(part)
    assert (await s.channel.reconcile(part)).status == "found"


async def test_a_reply_below_something_gone_is_left_to_a_person(s: Any) -> None:
    s.sim.remove(s.comment)
    assert (await s.channel.reconcile(s.answer(s.comment))).status == "unknown"
    assert (await s.channel.reconcile(s.outgoing(Action.HIDE, s.comment))).status == "absent"


async def test_an_answer_to_what_is_gone_is_refused_for_good(s: Any) -> None:
    nested = s.sim.comment(s.comment, "Ole Brandt", "Und wann?")
    part = s.answer(nested)
    s.sim.remove(s.comment)
    with pytest.raises(Rejected, match="gone"):
        await s.channel.reply(part)


@pytest.mark.parametrize(
    ("action", "kind", "tapped"),
    [
        (Action.PUBLIC_REPLY, Kind.COMMENT, False),
        (Action.PUBLIC_REPLY, Kind.MENTION, False),
        (Action.PRIVATE_REPLY, Kind.COMMENT, True),
        (Action.PRIVATE_REPLY, Kind.DIRECT_MESSAGE, True),
    ],
)
async def test_a_link_in_a_comment_is_written_to_be_typed(
    s: Any, action: Action, kind: Kind, *, tapped: bool
) -> None:
    text = said("Zähler ablesen", "https://youtu.be/v1", limits_for(s.channel.limits, action, kind))
    assert text == f"Zähler ablesen: {'https://' if tapped else ''}youtu.be/v1"


async def test_limits_say_the_same_as_the_network(s: Any) -> None:
    kinds = {kind for one in s.channel.limits for kind in one.kinds}
    assert kinds == {Kind.COMMENT, Kind.MENTION, Kind.DIRECT_MESSAGE, Kind.STORY_REPLY}
    assert {one.name for one in polling.SOURCES} >= {"media", "conversations", "mention"}
