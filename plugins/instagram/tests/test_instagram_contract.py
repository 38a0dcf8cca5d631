"""Every request uses only paths, fields and parameters that Meta's own lists name."""

from pathlib import Path
from typing import Any

import pytest
from channelmix.records import Action, Attachment, AttachmentKind, Poll
from channelmix_instagram import looking
from channelmix_instagram.simulator_fields import CATALOGUE, EDGES, PARAMS
from channelmix_meta.simulator_fields import parse
from channelmix_meta.testing_contract import Contract

CONTRACTS = Path(__file__).resolve().parents[4] / "shared/contracts/meta"
LISTS = {
    "facebook": {
        "IGUser": "IGUser",
        "Me": "Page",
        "IGMedia": "IGMedia",
        "IGComment": "IGComment",
        "UnifiedThread": "UnifiedThread",
    },
    "instagram": {
        "IGUser": "IGUserForIGOnlyAPI",
        "Me": "IGUserForIGOnlyAPI",
        "IGMedia": "IGMediaForIGOnlyAPI",
        "IGComment": "IGComment",
        "UnifiedThread": "UnifiedThread",
    },
}
"""By log-in: Meta's list for each type of object."""
UNLISTED = {
    "facebook": {
        # Asked for with log-in at Instagram only.
        ("Me", "user_id"),
        ("Me", "username"),
        # A person's, while logging in: Meta's list of User has it.
        ("Me", "accounts"),
    },
    "instagram": {
        ("Me", "accounts"),
        # The pages "Mentions" and reference of IG User name both for this host, the list does not.
        ("IGUser", "mentioned_comment"),
        ("IGUser", "mentioned_media"),
    },
}


def contract_of(login: str) -> Contract:
    if not CONTRACTS.is_dir():
        pytest.skip("Meta's lists of fields and parameters are not beside this repository")
    return Contract.read(
        CONTRACTS,
        LISTS[login],
        catalogue=CATALOGUE,
        unlisted=UNLISTED[login],
        spelt={"message_attachments": ["message_attachments", "messageattachments"]},
    )


def test_the_simulator_knows_no_name_that_meta_does_not() -> None:
    assert list(contract_of("facebook").invented()) == []
    # Files are refused there by the simulator, so what the list lacks is asked by nobody.
    only_at_facebook = ["POST Me/message_attachments: platform"]
    assert list(contract_of("instagram").invented()) == only_at_facebook


def test_the_check_finds_a_misspelt_name() -> None:
    contract = contract_of("instagram")
    assert list(contract.unknown("IGMedia", parse("id,captoin"))) == ["IGMedia.captoin"]
    nested = "comments.ordr(1){massage}"
    found = list(contract.unknown("IGMedia", parse(nested)))
    assert found == ["IGMedia.comments(ordr)", "IGComment.massage"]
    assert contract.wrong("POST", "IGComment", None, ["hidden"]) == {"hidden"}
    with pytest.raises(LookupError):
        contract.wrong("POST", "IGComment", "replys", [])


async def everything(s: Any, upload: Attachment) -> None:
    """Let the plugin make every kind of call that it can make."""
    picture = Attachment(kind=AttachmentKind.IMAGE, url=s.sim.media())
    (own,) = (await s.channel.reply(s.answer(s.comment))).ids
    elsewhere = s.sim.mention("Clara Nguyen", "Hallo?", in_comment=True)
    caption = s.sim.mention("Clara Nguyen", "Hallo?")
    parts = [
        s.answer(elsewhere),
        s.answer(caption),
        s.answer(s.note),
        s.answer(s.note, text="", attachments=(picture,)),
        s.outgoing(Action.PRIVATE_REPLY, s.comment, "Hier."),
        s.outgoing(Action.HIDE, s.comment),
        s.outgoing(Action.UNHIDE, s.comment),
        s.outgoing(Action.DELETE, own_id=own),
    ]
    if not s.channel.at_instagram:
        parts.append(s.answer(s.note, text="", attachments=(upload,)))
    for part in parts:
        await s.channel.reply(part)
        await s.channel.reconcile(part)
    for source in ("media", "conversations"):
        await s.channel.poll(Poll(source=source))
    for source, thing in (("comment", s.comment), ("message", s.note)):
        await s.channel.poll(Poll(source=source, argument=thing.id))
    for argument in (f"{elsewhere.post}/{elsewhere.id}", f"{caption.id}/"):
        await s.channel.poll(Poll(source="mention", argument=argument))
    await s.channel.check(s.channel.services)


@pytest.fixture
def upload(tmp_path: Path) -> Attachment:
    path = tmp_path / "plan.jpg"
    path.write_bytes(b"x")
    return Attachment(kind=AttachmentKind.IMAGE, path=str(path))


def kind_of(s: Any, object_id: str) -> str:
    """Return the type of what a path names; what was deleted meanwhile was a comment."""
    if object_id in {"me", s.sim.account}:
        return "Me" if object_id == "me" else "IGUser"
    if object_id in s.sim.world.posts:
        return "IGMedia"
    return "UnifiedMessage" if object_id.startswith("m_") else "IGComment"


async def test_every_request_uses_only_what_exists(s: Any, upload: Attachment) -> None:
    await everything(s, upload)
    login, seen = s.sim.login, set()
    contract = contract_of(login)
    for arrival in s.sim.sent:
        request = arrival.request
        _, _, object_id, edge = (*request.path.split("/"), None)[:4]
        if not object_id:
            continue  # a batch; its one call is `debug_token`, which Meta's lists do not have
        kind = kind_of(s, object_id)
        params, files = s.sim.read_params(request)
        assert contract.wrong(request.method, kind, edge, {**params, **files}) == set(), request
        below = EDGES[kind].get(edge, kind) if edge else kind
        if request.method == "GET":
            assert list(contract.unknown(below, parse(params.get("fields", "")))) == []
        seen.add((request.method, kind, edge))
    unused = {("POST", "Me", "subscribed_apps")}  # `connect` does, see its tests
    if login == "instagram":
        unused.add(("POST", "Me", "message_attachments"))
    assert {one for one in seen if one[0] != "GET"} == {
        one for one in PARAMS if one[0] != "GET"
    } - unused


async def test_every_request_was_taken(s: Any, upload: Attachment) -> None:
    await everything(s, upload)
    refused = [one for one in s.sim.sent if one.answer.status != 200]
    # Whether our deleted comment is gone can only be seen by being refused.
    assert [one.answer.body["error"].get("error_subcode") for one in refused] == [33]


async def test_the_plugin_notices_a_misspelt_field(s: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(looking, "COMMENT", "id,massage")
    found = await s.channel.reconcile(s.answer(s.comment))
    assert found.status == "unknown"
    assert "nonexisting field (massage)" in found.why
