"""What each thing that Instagram sends means."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from channelmix.errors import InvalidPayload
from channelmix.records import (
    Article,
    AttachmentKind,
    Classify,
    Deletion,
    DeliveryStatus,
    Echo,
    Edit,
    Ignored,
    Inbound,
    Kind,
    Lookup,
    Message,
    Payload,
    RawEvent,
    Reaction,
)
from channelmix_instagram.parsing import ingest, split
from channelmix_instagram.plugin import Instagram

FIXTURES = Path(__file__).parent / "fixtures"
ACCOUNT, HANDLE = "500", "stadtwerke"
TIME, NOW = 1_750_000_200, datetime(2025, 7, 1, tzinfo=UTC)


def load(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((FIXTURES / f"{name}.json").read_bytes())
    return loaded


COMMENTS, MESSAGING, GRAPH = load("comments"), load("messaging"), load("graph")
SIDES = {"sender": {"id": "41"}, "recipient": {"id": ACCOUNT}, "timestamp": 1_750_000_000_000}


def delivery(entry: dict[str, Any], *, account: str = ACCOUNT) -> bytes:
    whole = {"object": "instagram", "entry": [{"id": account, "time": TIME, **entry}]}
    return json.dumps(whole).encode()


def change(value: Any, field: str = "comments") -> bytes:
    return delivery({"changes": [{"field": field, "value": value}]})


def message(name: str, of: str = "messaging") -> bytes:
    return delivery({of: [{**SIDES, **MESSAGING[name]}]})


def read(body: bytes, source: str = "webhook", account: str = ACCOUNT) -> list[Inbound]:
    found: list[Inbound] = []
    for event in split(Payload(body=body, source=source)).events:
        arrived = evolve(event, received_at=NOW)
        found += ingest(arrived, account=account, handle=HANDLE).inbounds
    return found


def only(body: bytes, source: str = "webhook") -> Any:
    (found,) = read(body, source)
    return found


def comment(name: str) -> Any:
    return only(change(COMMENTS[name]))


# comments


def test_a_comment() -> None:
    found = comment("comment")
    assert (found.id, found.kind, found.thread, found.parent) == (
        "18001",
        Kind.COMMENT,
        "900",
        "900",
    )
    assert (found.author.id, found.author.handle) == ("61", "mira.sommer")
    assert found.author.url == "https://www.instagram.com/mira.sommer/"
    assert found.text == "Where does it stop?"
    assert found.sent_at == datetime.fromtimestamp(TIME, UTC)


def test_a_nested_reply_names_the_comment_it_answers() -> None:
    assert (comment("nested reply").parent, comment("nested reply").thread) == ("18001", "900")


def test_a_comment_may_name_its_id_differently() -> None:
    assert comment("comment under another name of its id").id == "18003"


def test_a_boosted_post_is_one_conversation_with_the_post() -> None:
    assert comment("comment on a boosted post").thread == "900"


def test_a_comment_without_words_is_looked_up() -> None:
    assert comment("comment without text") == Lookup(source="comment", argument="18006")


def test_a_comment_without_author_or_post_is_kept() -> None:
    found = comment("comment without an author or a post")
    assert (found.author, found.text, found.thread) == (None, "Anonymous", "18007")


@pytest.mark.parametrize("name", ["own reply", "own reply by a scoped id"])
def test_our_own_comment_is_an_echo(name: str) -> None:
    found = comment(name)
    assert isinstance(found, Echo)
    assert (found.message.own, found.ours) == (True, None)


def test_a_comment_without_id_is_refused() -> None:
    with pytest.raises(InvalidPayload, match="without its id"):
        only(change({"text": "Hello"}))


@pytest.mark.parametrize("name", COMMENTS)
def test_both_log_ins_tell_the_same(name: str) -> None:
    """With log-in at Instagram a change stands in the entry itself, and only the shape differs."""
    flat = delivery({"field": "comments", "value": COMMENTS[name]})
    assert read(flat) == read(change(COMMENTS[name]))


def test_a_live_comment_is_known_as_one() -> None:
    found = only(change(COMMENTS["comment"], "live_comments"))
    assert (found.kind, found.payload) == (Kind.COMMENT, "LIVE")
    assert comment("comment").payload is None


# mentions


@pytest.mark.parametrize(
    ("value", "argument"),
    [({"media_id": "951"}, "951/"), ({"media_id": "950", "comment_id": "18050"}, "950/18050")],
)
def test_a_mention_is_looked_up(value: Any, argument: str) -> None:
    assert only(change(value, "mentions")) == Lookup(source="mention", argument=argument)


def test_a_mention_in_a_comment() -> None:
    found = only(json.dumps(GRAPH["mention in a comment"]).encode(), "mention")
    assert (found.id, found.kind, found.thread) == ("18050", Kind.MENTION, "950")
    assert (found.text, found.author.handle) == ("@stadtwerke any news?", "clara.nguyen")
    assert found.url == "https://www.instagram.com/p/XYZ/c/18050/"
    assert found.thread_text == "My street"


def test_a_mention_in_a_caption() -> None:
    found = only(json.dumps(GRAPH["mention in a caption"]).encode(), "mention")
    assert (found.id, found.kind, found.thread, found.own) == ("951", Kind.MENTION, "951", False)
    assert [one.kind for one in found.attachments] == [AttachmentKind.IMAGE]
    assert found.url == "https://www.instagram.com/p/XYY/"


# conversations


def test_a_direct_message() -> None:
    found = only(message("text"))
    assert (found.id, found.kind, found.thread) == ("m_1", Kind.DIRECT_MESSAGE, "41")
    assert (found.author.id, found.sent_at) == ("41", datetime.fromtimestamp(1_750_000_000, UTC))


KINDS = {
    "photo": [AttachmentKind.IMAGE],
    "media": [AttachmentKind.VIDEO, AttachmentKind.AUDIO, AttachmentKind.FILE],
    "shared post": [AttachmentKind.FILE],
    "shared post of a newer kind": [AttachmentKind.FILE],
    "reels": [AttachmentKind.VIDEO, AttachmentKind.VIDEO],
    "story mention": [AttachmentKind.FILE],
    "picture to be seen once": [AttachmentKind.OTHER],
    "unsupported": [AttachmentKind.OTHER],
}


@pytest.mark.parametrize("name", KINDS)
def test_every_attachment_is_kept_and_what_can_be_fetched_will_be(name: str) -> None:
    """A story, or a shared post, may be picture or film, and its address does not hold for long."""
    found = only(message(name))
    assert isinstance(found, Message)
    assert [one.kind for one in found.attachments] == KINDS[name]
    assert all(one.url or one.text for one in found.attachments)


def test_a_story_mention_says_what_it_is() -> None:
    assert only(message("story mention")).attachments[0].text == "story_mention"
    assert only(message("picture to be seen once")).attachments[0].text == "ephemeral"


def test_a_story_reply_has_the_story_with_it() -> None:
    found = only(message("story reply"))
    (story,) = found.attachments
    assert (found.kind, found.text) == (Kind.STORY_REPLY, "Great! Where is that?")
    assert (story.id, story.kind, story.text) == ("17001", AttachmentKind.FILE, "story")


def test_an_unsent_message_is_deleted() -> None:
    found = only(message("unsent"))
    assert isinstance(found, Deletion)
    assert (found.id, found.thread) == ("m_1", "41")


def test_an_edit_and_one_that_says_nothing() -> None:
    assert only(message("edit")).text == "Hello?!"
    assert isinstance(only(message("edit")), Edit)
    assert only(message("edit without text")) == Lookup(source="message", argument="m_15")


def test_our_own_message_is_an_echo() -> None:
    found = only(message("echo"))
    assert isinstance(found, Echo)
    assert (found.message.thread, found.message.text) == ("41", "One moment")


def test_seen_is_a_status_of_one_message() -> None:
    found = only(message("seen"))
    assert isinstance(found, DeliveryStatus)
    assert (found.status, found.ids, found.thread) == ("read", ("m_20",), "41")


def test_reactions() -> None:
    found = only(message("reaction"))
    assert isinstance(found, Reaction)
    assert (found.target, found.name, found.removed) == ("m_20", "love", False)
    assert only(message("reaction taken back")).removed


@pytest.mark.parametrize(
    ("name", "text", "payload"),
    [
        ("quick reply", "Yes", "CONFIRM"),
        ("from an ad", "How much?", "summer"),
        ("about a product", "Is it there in blue?", "p7"),
        ("postback", "Report a fault", "FAULT"),
        ("referral", None, "door-sign"),
    ],
)
def test_what_a_button_or_a_link_carried_is_kept(name: str, text: str, payload: str) -> None:
    found = only(message(name))
    assert isinstance(found, Message)
    assert (found.text, found.payload, found.opens_window) == (text, payload, True)


async def test_who_only_followed_a_link_asks_for_nothing_yet(s: Any) -> None:
    async def label(found: Message, channel: str = "photos") -> Any:
        return await s.channel.classify(Classify(channel=channel, message=found))

    (said,) = (await label(only(message("referral")))).labels
    assert (said.name, said.value) == ("service", "no")
    assert await label(only(message("referral")), "other") is None
    assert await label(only(message("text"))) is None
    assert await label(only(message("picture to be seen once"))) is None


def test_standby_is_shown_and_cannot_be_answered() -> None:
    assert only(message("text", "standby")).no_reply
    assert only(message("text")).no_reply is None


def test_one_message_told_for_both_log_ins_is_one_item() -> None:
    twice = [read(message("text")), read(delivery({"messaging": [{**SIDES, **MESSAGING["text"]}]}))]
    assert twice[0] == twice[1]


# bad input


def test_numbers_beyond_what_a_float_holds_stay_whole() -> None:
    beyond = 2**53 + 1
    value = {**COMMENTS["comment"], "id": beyond, "from": {"id": beyond + 2}}
    found = only(change(value))
    assert (found.id, found.author.id) == (str(beyond), str(beyond + 2))


def test_a_message_in_both_directions_is_of_one_conversation_and_known_as_ours() -> None:
    """Some apps are told of their own message as of any other, and as an echo."""
    ours = {"sender": {"id": ACCOUNT}, "recipient": {"id": "41"}}
    as_any = delivery({"messaging": [{**SIDES, **ours, "message": {"mid": "m_20", "text": "Yes"}}]})
    found = [only(message("echo")), only(as_any)]
    assert [type(one) for one in found] == [Echo, Echo]
    assert [(one.message.id, one.message.thread) for one in found] == [("m_20", "41")] * 2


@pytest.mark.parametrize("value", [{"from": None}, {"media": "900"}, {"from": [], "media": None}])
def test_what_is_missing_or_of_another_type_costs_nobody_a_comment(value: Any) -> None:
    found = only(change({**COMMENTS["comment"], **value}))
    assert (found.id, found.text) == ("18001", "Where does it stop?")


# what is left alone, and said so


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (
            delivery({"changes": [{"field": "comments", "value": {}}]}, account="0"),
            "dashboard test",
        ),
        (
            delivery({"field": "comments", "value": COMMENTS["comment"]}, account="0"),
            "dashboard test",
        ),
        (change({"media_id": "1", "reach": 17}, "story_insights"), "story insights"),
        (change({}, "mentions"), "mention without id"),
        (change({}, "follow"), "unknown field: follow"),
        (message("hand-over"), "thread control"),
        (message("unknown"), "unknown event: brain_wave"),
        (delivery({}), "unknown entry"),
        (
            json.dumps({"object": "page", "entry": [{}]}).encode(),
            "not an account of Instagram: page",
        ),
    ],
)
def test_what_nobody_said(body: bytes, reason: str) -> None:
    assert only(body) == Ignored(reason=reason)


# Graph answers


def graph(name: str, source: str) -> list[Any]:
    return read(json.dumps(GRAPH[name]).encode(), source)


def test_a_post_with_its_comments() -> None:
    post, _, first, second, own, bare = graph("media", "media")
    assert (post.kind, post.own, post.text) == (Kind.POST, True, "The new bus")
    assert (first.thread, first.parent, first.thread_text) == ("900", "900", "The new bus")
    assert first.url == "https://www.instagram.com/p/ABC/c/18001/"
    assert (second.id, second.parent, second.thread) == ("18002", "18001", "900")
    assert isinstance(own, Echo)
    assert (bare.text, bare.hidden, bare.author.id) == (None, True, "mira.sommer")


def test_push_and_poll_of_a_comment_are_one_item() -> None:
    pushed, polled = comment("comment"), graph("media", "media")[2]
    same = ("id", "kind", "thread", "parent", "text", "author")
    assert [getattr(pushed, name) for name in same] == [getattr(polled, name) for name in same]


def test_an_album_has_all_its_pictures() -> None:
    album, _ = graph("album", "media")
    assert [one.kind for one in album.attachments] == [AttachmentKind.IMAGE, AttachmentKind.VIDEO]


# what helps


def medium(**more: Any) -> list[Inbound]:
    given = {
        "id": "900",
        "caption": "Changing a lamp\nIn ten minutes.",
        "media_type": "IMAGE",
        "media_product_type": "FEED",
        "media_url": "https://scontent.cdninstagram.com/v/900.jpg",
        "permalink": "https://www.instagram.com/p/ABC/",
        "timestamp": "2026-11-03T09:06:40+0000",
        "username": HANDLE,
        "owner": {"id": ACCOUNT},
    }
    return read(json.dumps({"data": [given | more]}).encode(), "media")


def test_a_photo_of_ours_is_an_article_beside_the_post() -> None:
    post, article = medium()
    assert isinstance(post, Message)
    assert article == Article(
        id="900",
        title="Changing a lamp",
        url="https://www.instagram.com/p/ABC/",
        published_at=post.sent_at,
        text="Changing a lamp\nIn ten minutes.",
        thumbnail="https://scontent.cdninstagram.com/v/900.jpg",
    )


@pytest.mark.parametrize(
    ("more", "thumbnail"),
    [
        ({"media_type": "VIDEO", "thumbnail_url": "https://x.cdninstagram.com/s.jpg"}, "s.jpg"),
        ({"media_type": "VIDEO"}, None),
        ({"media_type": "CAROUSEL_ALBUM"}, "900.jpg"),
        ({"media_type": "CAROUSEL_ALBUM", "media_url": None}, None),
    ],
)
def test_an_article_shows_a_still_picture(more: dict[str, Any], thumbnail: str | None) -> None:
    _, article = medium(**more)
    assert isinstance(article, Article)
    assert (article.thumbnail and article.thumbnail.rpartition("/")[2]) == thumbnail


@pytest.mark.parametrize(
    "more",
    [
        {"caption": None},
        {"caption": " \n"},
        {"permalink": None},
        {"media_product_type": "STORY"},
        {"media_product_type": "LIVE"},
        {"permalink": "https://instagram.com/stories/stadtwerke/900"},
    ],
)
def test_what_nobody_can_find_or_open_is_no_article(more: dict[str, Any]) -> None:
    assert [type(one) for one in medium(**more)] == [Message]


def test_a_mention_elsewhere_is_no_article() -> None:
    assert not [one for one in graph("mention in a caption", "mention") if type(one) is Article]


@pytest.mark.parametrize(
    "changed", ["Changing a bulb\nIn ten minutes.", "Changing a lamp\nIn one."]
)
def test_only_a_changed_caption_is_a_new_version(changed: str) -> None:
    def key(caption: str, **more: Any) -> str:
        item = {"id": "900", "caption": caption, "media_type": "IMAGE", **more}
        (event,) = split(Payload(body=json.dumps(item).encode(), source="media")).events
        return event.key

    before = "Changing a lamp\nIn ten minutes."
    assert key(before, comments_count=1) == key(before, comments_count=7)
    assert key(changed) != key(before)
    assert medium(caption=changed)[1] != medium()[1]


def test_a_comment_that_was_looked_up_knows_its_post() -> None:
    (found,) = graph("one comment", "comment")
    assert (found.thread, found.thread_text) == ("900", "The new bus")


def test_a_conversation_is_named_by_the_person_on_both_roads() -> None:
    own, story, photo, empty = graph("conversation", "conversations")
    assert isinstance(own, Echo)
    assert {own.message.thread, story.thread, photo.thread} == {"41"}
    assert (story.kind, story.attachments[0].text) == (Kind.STORY_REPLY, "story")
    assert [one.kind for one in photo.attachments] == [AttachmentKind.IMAGE]
    assert empty == Ignored(reason="conversation without messages")


def test_no_token_is_stored() -> None:
    for body in GRAPH.values():
        events = split(Payload(body=json.dumps(body).encode())).events
        assert not [one for one in events if b"LEAK" in one.body]


def test_no_content_has_a_reason() -> None:
    reasons = [one.reason for one in graph("no content", "webhook")]
    assert reasons == [
        "profile",
        "no content asked for",
        "graph error",
        "send answer",
        "token",
        "insight",
        "unknown",
        "empty item",
    ]


# one app for pages and accounts


def test_facebook_cuts_an_instagram_webhook_as_instagram_does() -> None:
    reason = "the other network is another package"
    facebook = pytest.importorskip("channelmix_facebook.parsing", reason=reason)
    for body in (change(COMMENTS["comment"]), message("photo")):
        (mine,) = split(Payload(body=body)).events
        (cut,) = facebook.split(Payload(body=body)).events
        assert (cut.key, cut.body, cut.account) == (mine.key, mine.body, ACCOUNT)
        assert split(Payload(body=cut.body)).events == (mine,)


def test_a_bad_entry_harms_only_itself() -> None:
    values = [{**COMMENTS["comment"], "id": str(number)} for number in range(999)]
    changes: list[Any] = [{"field": "comments", "value": one} for one in values]
    events = split(Payload(body=delivery({"changes": [*changes, "rubbish"]}))).events
    assert len(events) == 1000
    read_well = [ingest(one, account=ACCOUNT).inbounds[0] for one in events]
    assert [type(one) for one in read_well] == [Message] * 999 + [Ignored]


def test_an_event_from_nowhere_is_refused() -> None:
    with pytest.raises(InvalidPayload):
        ingest(RawEvent(key="k", body=b'{"weather": 1}'), account=ACCOUNT)


def test_the_plugin_names_its_account(s: Any) -> None:
    assert isinstance(s.channel, Instagram)
    assert s.channel.account == s.sim.account
