"""Our own pins: published, changed, deleted, looked for."""

from datetime import timedelta

import pytest
from channelmix.errors import Rejected, RetryLater, Uncertain
from channelmix.records import Action, Attachment, AttachmentKind, Draft


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "lamp.png"
    path.write_bytes(b"\x89PNG invented")
    return Attachment(kind=AttachmentKind.IMAGE, path=str(path), name="lamp.png")


@pytest.fixture
def film(tmp_path):
    path = tmp_path / "lamp.mp4"
    path.write_bytes(b"an invented film")
    return Attachment(kind=AttachmentKind.VIDEO, path=str(path), name="lamp.mp4")


async def test_a_picture_from_a_file_becomes_a_pin(p, picture) -> None:
    details = {"title": "Lampe", "link": "https://example.org/lamp", "topic": "garden"}
    details["alt_text"] = "Eine Hand an einer Lampe"
    receipt = await p.channel.reply(p.outgoing(attachments=(picture,), details=details))
    pin = p.sim.pins[receipt.ids[0]]
    assert pin.alt_text == "Eine Hand an einer Lampe"
    assert (pin.title, pin.description, pin.link) == ("Lampe", "So geht es.", details["link"])
    assert pin.board == "900002"  # the topic's
    assert receipt.url == f"https://www.pinterest.com/pin/{pin.id}/"


async def test_a_board_that_is_named_goes_before_the_topics(p) -> None:
    details = {"title": "Lampe", "topic": "garden", "board": "900001"}
    receipt = await p.channel.reply(p.outgoing(details=details))
    assert p.sim.pins[receipt.ids[0]].board == "900001"


@pytest.mark.slow
async def test_a_video_is_uploaded_once_and_waited_for(p, film) -> None:
    outgoing = p.outgoing(attachments=(film,))
    p.sim.processing = 2
    for _ in range(2):
        with pytest.raises(RetryLater, match="processing"):
            await p.channel.reply(outgoing)
    receipt = await p.channel.reply(outgoing)
    assert p.sim.pins[receipt.ids[0]].media["media_type"] == "video"
    assert len([one for one in p.sim.sent if one.request.path == "/upload"]) == 1


async def test_a_video_that_cannot_be_processed_is_refused(p, film) -> None:
    with pytest.raises(RetryLater):
        await p.channel.reply(p.outgoing(attachments=(film,)))
    p.sim.spoil()
    with pytest.raises(Rejected, match=r"could not process the video lamp\.mp4"):
        await p.channel.reply(p.outgoing(attachments=(film,)))


async def test_a_lost_answer_is_uncertain_and_found(p) -> None:
    p.sim.fault("close_after_accept", on="POST /pins")
    outgoing = p.outgoing()
    with pytest.raises(Uncertain):
        await p.channel.reply(outgoing)
    found = await p.channel.reconcile(outgoing)
    assert (found.status, set(found.ids)) == ("found", set(p.sim.pins))


async def test_what_never_arrived_is_absent(p) -> None:
    p.sim.fault("close_before_accept", on="POST /pins")
    with pytest.raises(Uncertain):
        await p.channel.reply(p.outgoing())
    assert (await p.channel.reconcile(p.outgoing())).status == "absent"


async def test_an_older_pin_of_the_same_words_and_one_that_is_taken_are_not_it(p) -> None:
    (old,) = (await p.channel.reply(p.outgoing())).ids
    p.clock.advance(timedelta(hours=1))
    assert (await p.channel.reconcile(p.outgoing())).status == "absent"
    (made,) = (await p.channel.reply(p.outgoing())).ids
    assert (await p.channel.reconcile(p.outgoing())).ids == (made,)
    assert (await p.channel.reconcile(p.outgoing(taken=frozenset({made})))).status == "absent"
    assert old != made


async def test_change_and_delete(p) -> None:
    (made,) = (await p.channel.reply(p.outgoing())).ids
    edit = p.outgoing(Action.EDIT, own_id=made, text="Besser so.")
    assert (await p.channel.reconcile(edit)).status == "absent"
    await p.channel.reply(edit)
    assert p.sim.pins[made].description == "Besser so."
    assert (await p.channel.reconcile(edit)).status == "found"
    delete = p.outgoing(Action.DELETE, own_id=made)
    assert (await p.channel.reconcile(delete)).status == "absent"
    await p.channel.reply(delete)
    assert p.sim.pins == {}
    assert (await p.channel.reconcile(delete)).status == "found"
    await p.channel.reply(delete)  # gone already is as good


async def test_an_answer_to_a_comment_is_refused_without_a_call(p) -> None:
    with pytest.raises(Rejected, match="public_reply"):
        await p.channel.reply(p.outgoing(Action.PUBLIC_REPLY))
    assert p.sim.sent == []


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"attachments": ()}, "needs a picture"),
        ({"details": {"title": "x" * 101}}, "title"),
        ({"details": {"link": "https://x.org/" + "x" * 2048}}, "link"),
        ({"details": {"board": "1"}}, "Board not found"),
        ({"text": "x" * 801}, "description"),
    ],
)
async def test_what_the_network_refuses_is_final(p, change, why) -> None:
    with pytest.raises(Rejected, match=why):
        await p.channel.reply(p.outgoing(**change))
    assert p.sim.pins == {}


async def test_pictures_of_other_kinds_are_refused(p, tmp_path) -> None:
    path = tmp_path / "lamp.gif"
    path.write_bytes(b"GIF")
    gif = Attachment(kind=AttachmentKind.IMAGE, path=str(path))
    with pytest.raises(Rejected, match="JPEG and PNG, not image/gif"):
        await p.channel.reply(p.outgoing(attachments=(gif,)))
    missing = Attachment(kind=AttachmentKind.IMAGE, path=str(tmp_path / "none.png"))
    with pytest.raises(Rejected, match=r"none\.png cannot be read"):
        await p.channel.reply(p.outgoing(attachments=(missing,)))


async def codes(p, **more):
    given = {"channel": "pins", "action": Action.PUBLISH, "text": "x", **more}
    found = await p.channel.review(Draft(**given))
    return [] if found is None else [one.code for one in found.findings]


async def test_a_draft_is_reviewed_before_it_costs_a_call(p, picture) -> None:
    good = {"attachments": (picture,), "details": {"title": "x", "link": "https://example.org"}}
    assert await codes(p, **good) == []
    assert await codes(p) == ["media"]
    assert await codes(p, attachments=(picture,), details={"title": "x" * 101}) == ["title"]
    assert await codes(p, attachments=(picture,), details={"alt_text": "x" * 501}) == ["alt"]
    assert await codes(p, attachments=(picture,), details={"link": "ftp://x.org"}) == ["link"]
    assert await codes(p, attachments=(picture,), details={"link": "https://bit.ly/a"}) == ["link"]
    assert await codes(p, attachments=(picture,), channel="another") == []
