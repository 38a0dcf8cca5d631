import pytest
from attrs import evolve
from channelmix.errors import Rejected, RetryLater, Uncertain
from channelmix.records import Action
from channelmix.testing.simulator import Answer
from channelmix_blog.replies import LONGEST, counted
from channelmix_blog.simulator import RefusedError


@pytest.fixture
def asked(b):
    return b.sim.comment(b.sim.post("Lampe"), "Mira", "Wie?")


async def test_an_answer_stands_below_its_comment_as_it_was_written(b, asked) -> None:
    text = 'Das <b> ist "kein" Tag & x < y.\nOder?'
    receipt = await b.channel.reply(b.outgoing(asked, text))
    [ours] = b.sim.ours()
    assert receipt.ids == (str(ours.id),)
    assert receipt.url == f"https://blog.example.org/{asked.post.slug}/#comment-{ours.id}"
    assert (ours.parent, ours.post, ours.text) == (asked.id, asked.post, text)
    assert "<b>" not in ours.content


async def test_our_answer_comes_back_under_its_id(b, asked) -> None:
    await b.walk()
    receipt = await b.channel.reply(b.outgoing(asked))
    [echo] = await b.walk()
    assert (echo.message.id, echo.message.parent) == (receipt.ids[0], str(asked.id))


async def test_what_we_said_is_edited_and_deleted(b, asked) -> None:
    (own,) = (await b.channel.reply(b.outgoing(asked))).ids
    edit = b.outgoing(asked, "Anders & besser", Action.EDIT, own_id=own)
    assert (await b.channel.reconcile(edit)).status == "absent"
    await b.channel.reply(edit)
    assert [one.text for one in b.sim.ours()] == ["Anders & besser"]
    assert (await b.channel.reconcile(edit)).status == "found"
    delete = b.outgoing(asked, "", Action.DELETE, own_id=own)
    assert (await b.channel.reconcile(delete)).status == "absent"
    for _ in range(2):  # that it is there already is as good
        await b.channel.reply(delete)
    assert b.sim.ours() == []
    assert (await b.channel.reconcile(delete)).status == "found"
    del b.sim.world.comments[int(own)]
    assert (await b.channel.reconcile(delete)).status == "found"


async def test_comments_are_held_and_approved(b, asked) -> None:
    for action, status in ((Action.HIDE, "hold"), (Action.UNHIDE, "approved")):
        part = b.outgoing(asked, "", action)
        assert (await b.channel.reconcile(part)).status == "absent"
        for _ in range(2):  # the second time WordPress answers 500: it is so already
            await b.channel.reply(part)
        assert asked.status == status
        assert (await b.channel.reconcile(part)).status == "found"


@pytest.mark.parametrize(
    ("status", "code", "error", "told"),
    [
        (403, "rest_comment_closed", Rejected, "comments are closed for this post"),
        (409, "comment_duplicate", Rejected, "the same comment is there already"),
        (400, "comment_flood", RetryLater, "comment_flood"),
        (429, "", RetryLater, "status 429"),
        (500, "rest_comment_failed_create", Uncertain, "rest_comment_failed_create"),
        (503, "", Uncertain, "no reason given"),
    ],
)
async def test_each_refusal_has_its_outcome(b, asked, status, code, error, told) -> None:
    answer = RefusedError(status, code, "Nein").answer()
    b.sim.fault("error_before_accept", on="POST /comments", answer=answer)
    with pytest.raises(error, match=told) as raised:
        await b.channel.reply(b.outgoing(asked))
    assert type(raised.value) is error or error is Rejected


async def test_a_page_in_place_of_an_answer_is_unclear(b, asked) -> None:
    page = Answer(body=b"<html>maintenance</html>", content_type="text/html")
    b.sim.fault("error_after_accept", on="POST /comments", answer=page)
    with pytest.raises(Uncertain, match="the answer is no JSON"):
        await b.channel.reply(b.outgoing(asked))


async def test_an_unclear_answer_is_found_once(b, asked) -> None:
    part = b.outgoing(asked, "Ist :) da & 'gut'")
    assert (await b.channel.reconcile(part)).status == "absent"
    b.sim.fault("close_after_accept", on="POST /comments")
    with pytest.raises(Uncertain):
        await b.channel.reply(part)
    [ours] = b.sim.ours()
    found = await b.channel.reconcile(part)
    assert (found.status, found.ids) == ("found", (str(ours.id),))
    taken = b.outgoing(asked, part.text, taken=frozenset(found.ids))
    assert (await b.channel.reconcile(taken)).status == "absent"


async def test_who_may_not_moderate_finds_its_answers_by_how_they_are_shown(b, asked) -> None:
    b.sim.capabilities = {"edit_posts"}
    part = b.outgoing(asked, "Das ist 'gut' ... & \"so\"")
    await b.channel.reply(part)
    assert (await b.channel.reconcile(part)).status == "found"
    other = b.outgoing(asked, "Das ist schlecht")
    assert (await b.channel.reconcile(other)).status == "absent"


@pytest.mark.parametrize("change", ["parent", "post", "author", "date"])
async def test_what_only_looks_like_ours_is_not_found(b, asked, change) -> None:
    await b.channel.reply(b.outgoing(asked))
    [ours] = b.sim.ours()
    changes = {"parent": 0, "post": b.sim.post("Anderes"), "author": 3}
    changes["date"] = b.clock.now().replace(year=2025)
    setattr(ours, change, changes[change])
    assert (await b.channel.reconcile(b.outgoing(asked))).status == "absent"


async def test_a_comment_of_a_feed_is_not_answered_through_wordpress(b, asked) -> None:
    target = b.message(asked)
    part = b.outgoing(None, target=evolve(target, id="https://blog.example.org/#comment-1"))
    b.sim.sent.clear()
    with pytest.raises(Rejected, match="came by a feed"):
        await b.channel.reply(part)
    assert [one for one in b.sim.sent if one.request.method == "POST"] == []
    assert (await b.channel.reconcile(part)).status == "unknown"


def test_length_is_that_of_what_is_stored() -> None:
    assert counted("a" * LONGEST) == LONGEST
    assert counted("&<ä") == len("&amp;") + len("&lt;") + 2
