from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from channelmix.errors import AuthorizationLost, Rejected, RetryLater, Uncertain
from channelmix.records import Action, Attachment, AttachmentKind, Draft, Poll, minutes
from channelmix.reviewing import findings, parts
from channelmix.testing.simulator import Answer
from channelmix_twitter.parsing_posts import NOT_SUMMONED


async def test_an_answer_stands_below_the_mention(s: Any) -> None:
    receipt = await s.x.reply(s.answer(s.mention))
    made = s.sim.world.posts[receipt.ids[0]]
    assert (made.replied_to, made.text) == (s.mention.id, "Danke, wir schauen nach.")
    assert receipt.url == f"https://x.com/stadtwerke/status/{made.id}"


async def test_who_did_not_mention_us_is_not_answered(s: Any) -> None:
    talk = s.sim.say("Ole Brandt", "Strom weg bei den Stadtwerken")
    locked = s.answer(talk)
    locked = evolve(locked, target=evolve(locked.target, no_reply=NOT_SUMMONED))
    with pytest.raises(Rejected, match="mentioned or quoted"):
        await s.x.reply(locked)
    assert s.calls() == []
    # And if we did not know, X says so, for good.
    with pytest.raises(Rejected, match="not been mentioned"):
        await s.x.reply(s.answer(talk))


async def test_an_edited_post_is_answered_where_it_is_now(s: Any) -> None:
    edited = s.sim.edit(s.mention, "@stadtwerke wo ist mein Päckchen?")
    receipt = await s.x.reply(s.answer(edited))
    assert s.sim.world.posts[receipt.ids[0]].replied_to == edited.id


async def test_a_long_answer_becomes_a_numbered_thread(s: Any) -> None:
    limits = s.x.limits[0]
    text = "Wir haben das geprüft und melden uns noch heute bei Ihnen. " * 12
    draft = Draft(channel="x", action=Action.PUBLIC_REPLY, text=text)
    now = s.clock.now()
    assert [one.code for one in findings(s.x.limits, draft, now=now, used=False)] == ["length"]
    draft = evolve(draft, thread=True)
    assert findings(s.x.limits, draft, now=now, used=False) == []
    cut = parts(limits, text, (), thread=True)
    assert [one.text[-3:] for one in cut] == ["1/3", "2/3", "3/3"]
    previous = None
    for part in cut:
        receipt = await s.x.reply(s.answer(s.mention, part.text, previous=previous))
        made = s.sim.world.posts[receipt.ids[0]]
        assert made.replied_to == (previous or s.mention.id)
        previous = receipt.ids[0]


async def test_a_direct_message_goes_into_its_conversation(s: Any) -> None:
    receipt = await s.x.reply(s.answer(s.note, "Wir prüfen das."))
    made = s.sim.world.directs[receipt.ids[0]]
    assert (made.conversation, made.sender.id) == (s.note.conversation, s.sim.account)
    assert s.calls() == [f"POST /2/dm_conversations/{s.note.conversation}/messages"]


async def test_a_mention_can_be_answered_in_private(s: Any) -> None:
    receipt = await s.x.reply(s.outgoing(Action.PRIVATE_REPLY, s.mention, "Hier ist es privat."))
    assert s.sim.world.directs[receipt.ids[0]].text == "Hier ist es privat."
    s.sim.writing.refused.add(s.mention.author.id)
    with pytest.raises(Rejected, match="permission to DM"):
        await s.x.reply(s.outgoing(Action.PRIVATE_REPLY, s.mention, "Noch etwas."))


async def test_hide_unhide_and_delete(s: Any) -> None:
    own = s.sim.native(s.us, None, "Wir öffnen um neun.")
    below = s.sim.reply(own, "Ole Brandt", "Ihr seid doof")
    await s.x.reply(s.outgoing(Action.HIDE, below))
    assert below.hidden
    await s.x.reply(s.outgoing(Action.UNHIDE, below))
    assert not below.hidden
    await s.x.reply(s.outgoing(Action.DELETE, own_id=own.id))
    assert own.id not in s.sim.world.posts
    with pytest.raises(Rejected, match="your own conversations"):
        await s.x.reply(s.outgoing(Action.HIDE, s.mention))
    with pytest.raises(Rejected, match="only our own"):
        await s.x.reply(s.outgoing(Action.DELETE, s.mention))


@pytest.fixture
def photo(tmp_path: Path) -> Attachment:
    path = tmp_path / "plan.png"
    path.write_bytes(b"\x89PNG" + bytes(9 * 1024 * 512))
    return Attachment(kind=AttachmentKind.IMAGE, path=str(path))


@pytest.mark.slow
async def test_a_photo_goes_up_in_pieces(s: Any, photo: Attachment) -> None:
    receipt = await s.x.reply(s.answer(s.mention, attachments=(photo,)))
    [medium] = s.sim.world.posts[receipt.ids[0]].media
    assert sorted(s.sim.world.media[medium].pieces) == [0, 1]
    up = "/2/media/upload"
    assert s.calls() == [
        f"POST {up}/initialize",
        *[f"POST {up}/{medium}/append"] * 2,
        f"POST {up}/{medium}/finalize",
        "POST /2/tweets",
    ]
    direct = await s.x.reply(s.answer(s.note, "", attachments=(photo,)))
    assert s.sim.world.directs[direct.ids[0]].media


async def test_a_film_waits_until_x_is_done_with_it(s: Any, tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(b"film")
    film = Attachment(kind=AttachmentKind.VIDEO, path=str(path))
    s.sim.writing.slow_films = 2
    outgoing = s.answer(s.mention, attachments=(film,))
    for _ in range(2):
        with pytest.raises(RetryLater) as waiting:
            await s.x.reply(outgoing)
        assert waiting.value.after == timedelta(seconds=5)
    assert (await s.x.reply(outgoing)).ids
    assert sum("initialize" in one for one in s.calls()) == 1


async def test_what_x_cannot_take_is_refused_before_it_is_sent(s: Any, tmp_path: Path) -> None:
    path = tmp_path / "plan.pdf"
    path.write_bytes(b"%PDF")
    for attachment in (
        Attachment(kind=AttachmentKind.IMAGE, path=str(path)),
        Attachment(kind=AttachmentKind.IMAGE, path=str(tmp_path / "gone.png")),
        Attachment(kind=AttachmentKind.IMAGE, url="https://files.example/plan.png"),
    ):
        with pytest.raises(Rejected):
            await s.x.reply(s.answer(s.mention, attachments=(attachment,)))
    assert s.calls() == []


async def test_a_lost_upload_is_repeated_without_doubt(s: Any, photo: Attachment) -> None:
    s.sim.fault("close_after_accept", on="POST /finalize")
    with pytest.raises(RetryLater):
        await s.x.reply(s.answer(s.mention, attachments=(photo,)))
    assert "POST /2/tweets" not in s.calls()


# outcomes


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer(status=401, body={"title": "Unauthorized"}), RetryLater),
        (Answer(status=402, body={"title": "CreditsDepleted"}), RetryLater),
        (Answer(status=403, body={"title": "Forbidden", "detail": "no"}), Rejected),
        (Answer(status=404, body={"title": "Not Found"}), Rejected),
        (Answer(status=429, body={"errors": [{"code": 88, "message": "limit"}]}), RetryLater),
        (Answer(status=500, body={}), Uncertain),
        (Answer(status=503, body=b"<html>", content_type="text/html"), Uncertain),
        (Answer(status=200, body={"errors": [{"title": "no", "detail": "no"}]}), Rejected),
        (Answer(status=200, body=b"ok"), Uncertain),
        (Answer(status=201, body={"data": {}}), Uncertain),
    ],
)
async def test_each_answer_has_its_outcome(s: Any, answer: Answer, outcome: type) -> None:
    s.sim.refuse(answer, on="POST /2/tweets")
    with pytest.raises(outcome):
        await s.x.reply(s.answer(s.mention))


async def test_throttled_waits_as_x_says(s: Any) -> None:
    reset = int((s.clock.now() + minutes(7)).timestamp())
    headers = {"x-rate-limit-reset": str(reset)}
    told = [
        (headers, minutes(7)),
        ({}, minutes(15)),
        ({"x-rate-limit-reset": "12"}, timedelta(seconds=1)),
        ({"x-rate-limit-reset": "soon"}, minutes(15)),
    ]
    for given, after in told:
        s.sim.refuse(Answer(status=429, body={}, headers=given), on="POST /2/tweets")
        with pytest.raises(RetryLater) as later:
            await s.x.reply(s.answer(s.mention))
        assert later.value.after == after
    assert s.desk.assembly.brakes["acme"].replies_until is None


async def test_the_limit_of_the_app_holds_up_all_its_accounts(s: Any) -> None:
    reset = int((s.clock.now() + minutes(90)).timestamp())
    headers = {"x-app-limit-24hour-remaining": "0", "x-app-limit-24hour-reset": str(reset)}
    s.sim.refuse(Answer(status=429, body={}, headers=headers), on="POST /2/tweets")
    with pytest.raises(RetryLater):
        await s.x.reply(s.answer(s.mention))
    assert s.desk.assembly.brakes["acme"].replies_until == s.clock.now() + minutes(90)


async def test_used_up_credit_rests_the_whole_app(s: Any) -> None:
    kind = "https://api.twitter.com/2/problems/usage-capped"
    s.sim.refuse(Answer(status=403, body={"type": kind, "title": "x"}), on="POST /2/tweets")
    with pytest.raises(RetryLater):
        await s.x.reply(s.answer(s.mention))
    assert s.desk.assembly.brakes["acme"].polls_until is not None


async def test_a_token_that_ended_early_is_renewed_once(s: Any) -> None:
    used = (await s.x.vault.get())["access_token"]
    del s.sim.gate.access[used]
    with pytest.raises(RetryLater):
        await s.x.reply(s.answer(s.mention))
    assert (await s.x.reply(s.answer(s.mention))).ids
    renewed = (await s.x.vault.get())["access_token"]
    assert renewed != used
    unauthorized = Answer(status=401, body={"title": "Unauthorized"})
    s.clock.advance(minutes(2))
    for outcome in (RetryLater, AuthorizationLost):
        s.sim.refuse(unauthorized, on="POST /2/tweets")
        with pytest.raises(outcome):
            await s.x.reply(s.answer(s.mention, "Noch einmal."))
        await s.x.poll(Poll(source="mentions"))


# uncertain, and looking


@pytest.mark.parametrize("thing", ["mention", "note"])
async def test_an_answer_that_arrived_unseen_is_found(s: Any, thing: str) -> None:
    outgoing = s.answer(getattr(s, thing), "Bitte hier: https://stadtwerke.example/a?b=1&c=2 <3")
    on = "POST /2/tweets" if thing == "mention" else "POST /messages"
    s.sim.fault("close_after_accept", on=on)
    with pytest.raises(Uncertain):
        await s.x.reply(outgoing)
    found = await s.x.reconcile(outgoing)
    made = s.sim.world.posts if thing == "mention" else s.sim.world.directs
    assert (found.status, found.ids) == ("found", (list(made)[-1],))
    again = await s.x.reconcile(evolve(outgoing, taken=frozenset(found.ids)))
    assert again.status == "absent"


async def test_what_did_not_arrive_is_absent(s: Any) -> None:
    outgoing = s.answer(s.mention)
    s.sim.fault("close_before_accept", on="POST /2/tweets")
    with pytest.raises(Uncertain):
        await s.x.reply(outgoing)
    assert (await s.x.reconcile(outgoing)).status == "absent"
    elsewhere = s.sim.say("Ole Brandt", "@stadtwerke hallo")
    s.sim.native(s.us, elsewhere, outgoing.text)
    s.sim.native(s.us, None, outgoing.text)
    assert (await s.x.reconcile(outgoing)).status == "absent"


async def test_a_duplicate_of_an_uncertain_answer_is_looked_for(s: Any) -> None:
    outgoing = s.answer(s.mention)
    await s.x.reply(outgoing)
    with pytest.raises(Rejected, match="duplicate"):
        await s.x.reply(s.answer(s.mention))
    s.clock.advance(minutes(3))
    with pytest.raises(Uncertain, match="duplicate"):
        await s.x.reply(outgoing)


async def test_a_timeout_after_sending_is_uncertain(s: Any) -> None:
    s.sim.fault("timeout_after_accept", on="POST /2/tweets")
    with s.impatient(), pytest.raises(Uncertain):
        await s.x.reply(s.answer(s.mention))


async def test_a_deletion_is_looked_for(s: Any) -> None:
    own = s.sim.native(s.us, None, "Wir öffnen um neun.")
    outgoing = s.outgoing(Action.DELETE, own_id=own.id)
    assert (await s.x.reconcile(outgoing)).status == "absent"
    await s.x.reply(outgoing)
    assert (await s.x.reconcile(outgoing)).status == "found"
    assert (await s.x.reconcile(s.outgoing(Action.HIDE, s.mention))).status == "absent"
