"""Every request uses only paths, fields and parameters that Meta's own lists name."""

from pathlib import Path
from typing import Any

import pytest
from channelmix.records import Action, Attachment, AttachmentKind, Poll
from channelmix_facebook import looking
from channelmix_facebook.simulator_fields import CATALOGUE, EDGES, PARAMS
from channelmix_meta.simulator_fields import parse
from channelmix_meta.testing_contract import Contract

CONTRACTS = Path(__file__).resolve().parents[4] / "shared/contracts/meta"

UNLISTED = {
    ("Application", "subscribed_fields"),  # the page "Page Subscribed Apps" shows it
}
NODES = {"Recommendation", "Application", "Page", "PagePost", "Comment", "UnifiedThread"}
"""Types with a list of Meta's; messages and attachments of stories have none."""


@pytest.fixture(scope="module")
def contract() -> Contract:
    if not CONTRACTS.is_dir():
        pytest.skip("Meta's lists of fields and parameters are not beside this repository")
    files = {name: name for name in NODES}
    return Contract.read(CONTRACTS, files, catalogue=CATALOGUE, unlisted=UNLISTED)


def test_the_simulator_knows_no_name_that_meta_does_not(contract: Contract) -> None:
    assert list(contract.invented()) == []


def test_the_check_finds_a_misspelt_name(contract: Contract) -> None:
    assert list(contract.unknown("Page", parse("id,nmae"))) == ["Page.nmae"]
    nested = "comments.fliter(stream){massage}"
    found = list(contract.unknown("PagePost", parse(nested)))
    assert found == ["PagePost.comments(fliter)", "Comment.massage"]
    assert contract.wrong("POST", "Comment", None, ["is_hiden", "message"]) == {"is_hiden"}
    with pytest.raises(LookupError):
        contract.wrong("POST", "Comment", "coments", [])


@pytest.fixture
def upload(tmp_path: Path) -> Attachment:
    path = tmp_path / "plan.jpg"
    path.write_bytes(b"x")
    return Attachment(kind=AttachmentKind.IMAGE, path=str(path))


async def everything(s: Any, upload: Attachment) -> None:
    """Let the plugin make every kind of call that it can make."""
    picture = Attachment(kind=AttachmentKind.IMAGE, url=s.sim.media())
    (own,) = (await s.page.reply(s.answer(s.comment))).ids
    parts = [
        s.answer(s.comment, attachments=(picture,)),
        s.answer(s.comment, attachments=(upload,)),
        s.answer(s.post),
        s.answer(s.note),
        s.answer(s.note, text="", attachments=(upload,)),
        s.outgoing(Action.PRIVATE_REPLY, s.comment, "Hier."),
        s.outgoing(Action.LIKE, s.comment),
        s.outgoing(Action.LIKE, s.post),
        s.outgoing(Action.HIDE, s.comment),
        s.outgoing(Action.UNHIDE, s.comment),
        s.outgoing(Action.BAN, s.comment),
        s.outgoing(Action.BAN, s.note),
        s.outgoing(Action.PUBLISH, text="Neu", attachments=(picture,)),
        s.outgoing(Action.EDIT, text="Anders", own_id=own),
        s.outgoing(Action.DELETE, own_id=own),
    ]
    for part in parts:
        await s.page.reply(part)
        await s.page.reconcile(part)
    for source in ("feed", "tagged", "ratings", "conversations"):
        await s.page.poll(Poll(source=source))
    for source, thing in (("post", s.post), ("comment", s.comment), ("message", s.note)):
        await s.page.poll(Poll(source=source, argument=thing.id))
    await s.page.check(s.page.services)


def kind_of(s: Any, object_id: str) -> str:
    """Return the type of what a path names; what was deleted meanwhile was a comment."""
    if object_id == s.sim.account:
        return "Page"
    if object_id in s.sim.world.posts:
        return "PagePost"
    return "UnifiedMessage" if object_id.startswith("m_") else "Comment"


@pytest.mark.slow
async def test_every_request_uses_only_what_exists(
    s: Any, contract: Contract, upload: Attachment
) -> None:
    await everything(s, upload)
    seen = set()
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
    # Posts are edited and deleted like comments; everything else that can be written, was.
    assert {one for one in seen if one[0] != "GET"} == {
        one for one in PARAMS if one[0] != "GET" and (one[1], one[2]) != ("PagePost", None)
    }


async def test_every_request_was_taken(s: Any, upload: Attachment) -> None:
    await everything(s, upload)
    refused = [one for one in s.sim.sent if one.answer.status != 200]
    # Whether our deleted comment is gone can only be seen by being refused.
    assert [one.answer.body["error"].get("error_subcode") for one in refused] == [33]


async def test_the_plugin_notices_a_misspelt_field(s: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(looking, "_COMMENT", "id,massage")
    found = await s.page.reconcile(s.answer(s.comment))
    assert found.status == "unknown"
    assert "nonexisting field (massage)" in found.why
