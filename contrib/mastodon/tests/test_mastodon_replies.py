from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from channelmix.errors import AuthorizationLost, Rejected, RetryLater, Uncertain
from channelmix.records import Action, Attachment, AttachmentKind, Found, Kind
from channelmix.testing.simulator import Answer

MENTION = "@mira_sommer_aus_der_hafenstadt@kunden.example"


@pytest.mark.parametrize("visibility", ["public", "unlisted", "private", "direct"])
async def test_an_answer_keeps_the_visibility_and_names_who_is_answered(
    at: Any, visibility: str
) -> None:
    target = await at.target()
    at.server.statuses[target.id]["visibility"] = visibility
    number = await at.answer(target)
    answer = at.server.statuses[number]
    assert answer["visibility"] == visibility
    assert answer["in_reply_to_id"] == target.id
    assert at.server.typed[number] == f"{MENTION} Yes."
    assert [one["id"] for one in answer["mentions"]] == [at.server.them["id"]]


async def test_a_private_answer_is_for_one_person(at: Any) -> None:
    number = await at.answer(await at.target(), action=Action.PRIVATE_REPLY)
    assert at.server.statuses[number]["visibility"] == "direct"


async def test_who_is_named_already_is_not_named_twice(at: Any) -> None:
    number = await at.answer(await at.target(), f"Dear {MENTION}, yes.")
    assert at.server.typed[number] == f"Dear {MENTION}, yes."


async def test_the_send_key_keeps_the_server_from_saying_it_twice(at: Any) -> None:
    target = await at.target()
    assert await at.answer(target) == await at.answer(target)
    assert len(at.server.spoken()) == 1


async def test_what_is_gone_cannot_be_answered(at: Any) -> None:
    target = await at.target()
    at.server.delete(target.id)
    with pytest.raises(Rejected, match="404"):
        await at.answer(target)


async def test_parts_answer_one_another(at: Any) -> None:
    target = await at.target()
    first = await at.answer(target, "One.")
    second = await at.answer(target, "Two.", token="t2", previous=first)
    assert at.server.statuses[second]["in_reply_to_id"] == first


def _file(folder: Path, kind: AttachmentKind, name: str) -> Attachment:
    path = folder / name
    path.write_bytes(b"\x89")
    return Attachment(kind=kind, path=str(path), text=f"What {name} shows")


async def test_pictures_go_out_with_their_description(at: Any, tmp_path: Path) -> None:
    files = [_file(tmp_path, AttachmentKind.IMAGE, f"{one}.png") for one in range(4)]
    number = await at.answer(await at.target(), attachments=tuple(files))
    found = at.server.statuses[number]["media_attachments"]
    assert [one["description"] for one in found] == [one.text for one in files]


async def test_a_film_is_waited_for(at: Any, tmp_path: Path) -> None:
    at.server.processing = 2
    film = _file(tmp_path, AttachmentKind.VIDEO, "a.mp4")
    number = await at.answer(await at.target(), attachments=(film,))
    assert len(at.server.statuses[number]["media_attachments"]) == 1


async def test_what_one_post_cannot_hold_is_refused_before_anything_is_uploaded(
    at: Any, tmp_path: Path
) -> None:
    film = _file(tmp_path, AttachmentKind.VIDEO, "a.mp4")
    picture = _file(tmp_path, AttachmentKind.IMAGE, "a.png")
    with pytest.raises(Rejected, match="one film"):
        await at.answer(await at.target(), attachments=(film, picture))
    address = Attachment(kind=AttachmentKind.IMAGE, url="https://a.example/a.png")
    with pytest.raises(Rejected, match="addresses"):
        await at.answer(await at.target(), attachments=(address,))
    lost = Attachment(kind=AttachmentKind.IMAGE, path=str(tmp_path / "lost.png"))
    with pytest.raises(Rejected, match="cannot be read"):
        await at.answer(await at.target(), attachments=(lost,))
    assert at.server.media == {}


async def test_a_lost_upload_has_said_nothing(at: Any, tmp_path: Path) -> None:
    target = await at.target()
    picture = _file(tmp_path, AttachmentKind.IMAGE, "a.png")
    at.server.fault("error_after_accept", on="POST /api/v2/media")
    with pytest.raises(RetryLater):
        await at.answer(target, attachments=(picture,))


async def test_an_edit_keeps_mention_and_files(at: Any, tmp_path: Path) -> None:
    picture = _file(tmp_path, AttachmentKind.IMAGE, "a.png")
    target = await at.target()
    number = await at.answer(target, attachments=(picture,))
    edit = at.outgoing(target, "No.", action=Action.EDIT, own_id=number, token="t2")
    assert (await at.plugin.reconcile(edit)).status == "absent"
    await at.plugin.reply(edit)
    assert at.server.typed[number] == f"{MENTION} No."
    assert len(at.server.statuses[number]["media_attachments"]) == 1
    assert await at.plugin.reconcile(edit) == Found(status="found", ids=(number,))


async def test_an_answer_can_be_deleted(at: Any) -> None:
    target = await at.target()
    number = await at.answer(target)
    delete = at.outgoing(target, "", action=Action.DELETE, own_id=number)
    assert (await at.plugin.reconcile(delete)).status == "absent"
    await at.plugin.reply(delete)
    assert at.server.spoken() == []
    assert (await at.plugin.reconcile(delete)).status == "found"


async def test_an_uncertain_answer_is_found_once_and_only_where_it_belongs(at: Any) -> None:
    target, other = await at.target(), await at.target(text="And mine?")
    before = at.outgoing(target, first_sent_at=at.clock.now())
    assert (await at.plugin.reconcile(before)).status == "absent"
    at.server.fault("error_after_accept", on="POST /api/v1/statuses")
    with pytest.raises(Uncertain):
        await at.plugin.reply(before)
    found = await at.plugin.reconcile(before)
    assert found.status == "found"
    taken = at.outgoing(target, first_sent_at=at.clock.now(), taken=frozenset(found.ids))
    assert (await at.plugin.reconcile(taken)).status == "absent"
    elsewhere = at.outgoing(other, first_sent_at=at.clock.now())
    assert (await at.plugin.reconcile(elsewhere)).status == "absent"
    later = at.outgoing(target, first_sent_at=at.clock.now() + timedelta(hours=1))
    assert (await at.plugin.reconcile(later)).status == "absent"


async def test_nobody_logged_in_is_lost_authorization(at: Any) -> None:
    target = await at.target()
    await at.vault.put({})
    with pytest.raises(AuthorizationLost, match="channelmix connect"):
        await at.answer(target)


async def test_a_reached_limit_says_when(at: Any) -> None:
    target = await at.target(Kind.DIRECT_MESSAGE)
    at.clock.advance(timedelta(minutes=2))
    at.server.deny("throttled")
    with pytest.raises(RetryLater) as caught:
        await at.answer(target, action=Action.PRIVATE_REPLY)
    assert caught.value.after == timedelta(minutes=3)


async def test_a_permission_that_lacks_keeps_the_answer_for_a_new_log_in(at: Any) -> None:
    target = await at.target()
    at.server.gate.scopes = "read"
    with pytest.raises(AuthorizationLost, match=r"outside the authorized scopes.*connect"):
        await at.answer(target)


async def test_where_the_server_refuses_to_say_nobody_knows(at: Any) -> None:
    target = await at.target()
    await at.answer(target)
    refusal = Answer(status=400, body={"error": "no"})
    at.server.fault("error_before_accept", on="GET /statuses", answer=refusal)
    found = await at.plugin.reconcile(at.outgoing(target, first_sent_at=at.clock.now()))
    assert (found.status, "HTTP 400: no" in found.why) == ("unknown", True)


async def test_polls_do_not_wait_for_the_limits_of_uploads_and_deletions(
    at: Any, tmp_path: Path
) -> None:
    target = await at.target()
    picture = _file(tmp_path, AttachmentKind.IMAGE, "a.png")
    number = await at.answer(target, attachments=(picture,))
    await at.plugin.reply(at.outgoing(target, "", action=Action.DELETE, own_id=number))
    told = [one.answer.headers["x-ratelimit-limit"] for one in at.server.sent]
    assert told.count("30") == 2
    assert at.pace.held == []
