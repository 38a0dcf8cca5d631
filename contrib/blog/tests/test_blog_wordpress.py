from datetime import timedelta

import pytest
from channelmix.errors import AuthorizationLost, Rejected
from channelmix.records import Deletion, Echo, Edit, Message
from channelmix_blog import polling

READ_ONLY = {"feed": "feed/", "wordpress": True, "authors": ["Anna"]}


async def test_everything_is_read_page_by_page(b) -> None:
    post = b.sim.post("Lampe")
    for number in range(250):
        b.sim.comment(post, f"Kunde {number}", f"Frage {number}")
    found = await b.walk()
    assert [one.text for one in found] == [f"Frage {number}" for number in range(250)]
    assert b.calls() == ["GET /wp-json/wp/v2/users/me"] + ["GET /wp-json/wp/v2/comments"] * 3


async def test_what_was_read_is_not_told_again(b) -> None:
    post = b.sim.post("Lampe")
    for number in range(40):
        b.clock.advance(timedelta(minutes=5))
        b.sim.comment(post, "Mira", f"Frage {number}")
        assert [one.text for one in await b.walk()] == [f"Frage {number}"]
    assert len(b.cursors["comments"]["seen"]) <= 16


async def test_a_comment_has_all_that_is_known(b) -> None:
    post = b.sim.post("Lampe & Co")
    top = b.sim.comment(post, "Mira", 'Ist das "gut"?')
    b.sim.comment(post, "Mira", "Und das?", parent=top.id)
    first, second = await b.walk()
    assert (first.text, first.parent) == ("Ist das “gut”?", None)
    assert (second.parent, second.thread) == (first.id, str(post.id))
    assert first.author == second.author
    assert first.author.id.startswith("guest:")
    assert (first.thread_text, first.thread_url) == (
        "Lampe & Co",
        f"https://blog.example.org/{post.slug}/",
    )
    assert first.url == f"https://blog.example.org/{post.slug}/#comment-{top.id}"
    assert first.no_reply is None


async def test_nobodys_e_mail_is_asked_for(b) -> None:
    b.sim.comment(b.sim.post("Lampe"), "Mira", "Wie?")
    await b.walk()
    assert b.events
    assert not [one for one in b.events if b"@example.org" in one.body]


async def test_our_own_comments_are_echoes(b) -> None:
    post = b.sim.post("Lampe")
    b.sim.comment(post, "Ganz anderer Name", "Von Hand", author=7)
    [echo] = await b.walk()
    assert isinstance(echo, Echo)


async def test_held_comments_come_in_hidden(b) -> None:
    held = b.sim.comment(b.sim.post("Lampe"), "Mira", "Wie?", status="hold")
    [message] = await b.walk()
    assert message.hidden
    assert "approve it first" in message.no_reply
    held.status = "approved"
    [approved] = await b.walk("changes")
    assert (approved.hidden, approved.no_reply) == (False, None)


async def test_an_edit_is_a_later_version(b) -> None:
    said = b.sim.comment(b.sim.post("Lampe"), "Mira", "Wie?")
    [before] = await b.walk()
    await b.walk("changes")
    said.content = "Wie denn?"
    [after] = await b.walk("changes")
    assert (after.id, after.text) == (before.id, "Wie denn?")
    assert after.revision != before.revision
    assert await b.walk("changes") == []


async def test_there_and_back_again_is_two_changes(b) -> None:
    said = b.sim.comment(b.sim.post("Lampe"), "Mira", "Wie?")
    seen = [*await b.walk(), *await b.walk("changes")]
    for status in ("hold", "approved", "hold"):
        said.status = status
        [now] = await b.walk("changes")
        assert now.hidden is (status == "hold")
        seen.append(now)
    assert len({one.revision for one in seen}) == 4
    assert len({one.key for one in b.events}) == 4


async def test_trash_and_deletion_are_deletions(b) -> None:
    post = b.sim.post("Lampe")
    trashed, deleted, kept = (b.sim.comment(post, "Mira", text) for text in "ABC")
    await b.walk("changes")
    trashed.status = "trash"
    del b.sim.world.comments[deleted.id]
    found = await b.walk("changes")
    assert {type(one) for one in found} == {Deletion}
    assert {one.id for one in found} == {str(trashed.id), str(deleted.id)}
    assert await b.walk("changes") == []
    assert kept.status == "approved"


async def test_spam_is_hidden_and_said_once(b) -> None:
    said = b.sim.comment(b.sim.post("Lampe"), "Mira", "Kauft!")
    await b.walk("changes")
    said.status = "spam"
    [spam] = await b.walk("changes")
    assert spam.hidden
    assert "spam" in spam.no_reply
    assert await b.walk("changes") == []


async def test_what_is_only_kept_from_us_is_hidden_not_deleted(on_stage) -> None:
    async with on_stage(**READ_ONLY) as b:
        said = b.sim.comment(b.sim.post("Lampe"), "Mira", "Wie?")
        await b.walk("changes")
        said.status = "hold"
        [edit] = await b.walk("changes")
        assert (type(edit), edit.id, edit.hidden) == (Edit, str(said.id), True)
        assert await b.walk("changes") == []
        said.status = "approved"
        [back] = await b.walk("changes")
        assert (type(back), back.hidden) == (Message, False)


async def test_what_is_approved_late_is_found_by_the_sweep(on_stage) -> None:
    async with on_stage(**READ_ONLY) as b:
        post = b.sim.post("Lampe")
        held = b.sim.comment(post, "Mira", "Geduldig", status="hold")
        b.clock.advance(timedelta(hours=3))
        b.sim.comment(post, "Ole", "Schnell")
        assert [one.text for one in await b.walk()] == ["Schnell"]
        held.status = "approved"
        b.clock.advance(timedelta(hours=3))
        assert await b.walk() == []
        assert {one.text for one in await b.walk("changes")} == {"Geduldig", "Schnell"}


async def test_without_a_user_comments_are_read_and_not_answered(on_stage) -> None:
    async with on_stage(**READ_ONLY) as b:
        post = b.sim.post("Lampe")
        b.sim.comment(post, "Mira", "Wie?")
        b.clock.advance(timedelta(minutes=1))
        b.sim.comment(post, "Anna", "So.", author=3)
        asked, ours = await b.walk()
        assert "no WordPress user is configured" in asked.no_reply
        assert isinstance(ours, Echo)
        with pytest.raises(Rejected, match="no WordPress user"):
            await b.channel.reply(b.outgoing(b.sim.world.public()[0]))


async def test_what_was_said_before_we_began_is_no_news(b) -> None:
    old = b.sim.comment(b.sim.post("Lampe"), "Mira", "Alt")
    b.clock.advance(timedelta(days=5))
    assert await b.walk() == []
    assert await b.walk("changes") == []
    old.content = "Alt, aber anders"
    assert await b.walk("changes") == []


async def test_what_grows_older_than_a_month_is_forgotten_not_deleted(b) -> None:
    b.sim.comment(b.sim.post("Lampe"), "Mira", "Wie?")
    await b.walk("changes")
    b.clock.advance(timedelta(days=31))
    assert await b.walk("changes") == []
    assert b.cursors["changes"]["seen"] == {}


async def test_a_sweep_has_an_end(b, monkeypatch) -> None:
    monkeypatch.setattr(polling, "DEPTH", 2)
    post = b.sim.post("Lampe")
    for number in range(320):
        b.clock.advance(timedelta(seconds=1))
        b.sim.comment(post, "Mira", f"Frage {number}")
    assert len(await b.walk("changes")) == 200
    b.calls()
    b.clock.advance(timedelta(seconds=1))
    b.sim.comment(post, "Mira", "Noch eine")
    assert [one.text for one in await b.walk("changes")] == ["Noch eine"]
    assert b.calls() == ["GET /wp-json/wp/v2/comments"] * 2


async def test_a_lost_password_is_named(b) -> None:
    b.sim.password = "another one"
    with pytest.raises(AuthorizationLost, match="the application password does not hold"):
        await b.walk()


@pytest.mark.parametrize(
    ("capabilities", "code", "level"),
    [
        ({"edit_posts", "moderate_comments"}, None, None),
        ({"edit_posts"}, "moderation", "warn"),
        (set(), "role", "block"),
    ],
)
async def test_check_says_what_the_user_may_not(b, capabilities, code, level) -> None:
    b.sim.capabilities = capabilities
    checked = await b.channel.check(b.channel.services)
    found = [(one.code, one.level) for one in checked.findings]
    assert found == ([(code, level)] if code else [])


async def test_check_says_what_is_not_there(on_stage) -> None:
    async with on_stage(feed="fed/", wordpress=True) as b:
        checked = await b.channel.check(b.channel.services)
        assert [(one.code, one.level) for one in checked.findings] == [
            ("feed", "block"),
            ("read-only", "warn"),
        ]
        assert "GET /fed/: status 404" in checked.findings[0].text
