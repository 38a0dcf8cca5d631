import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from channelmix.errors import InvalidPayload
from channelmix.payloads import MAX_DEPTH
from channelmix.records import (
    AttachmentKind,
    Deletion,
    DeliveryStatus,
    Echo,
    Ignored,
    Kind,
    Lookup,
    Message,
    Payload,
    Reaction,
)
from channelmix_twitter.parsing import split
from channelmix_twitter.parsing_direct import ENCRYPTED
from channelmix_twitter.parsing_posts import NOT_SUMMONED, SIBLING

US, SISTER, MIRA = "1400000000000000001", "1400000000000000777", "9007199254740993007"
AT = "2026-11-03T08:59:30.000Z"


def post(text: str = "hallo", **more: Any) -> dict[str, Any]:
    """Return a post of Mira's, in the shape of API v2."""
    given: dict[str, Any] = {
        "id": "1985000000000000005",
        "text": text,
        "author_id": MIRA,
        "created_at": AT,
    }
    given |= {"conversation_id": given["id"], "edit_history_tweet_ids": [given["id"]]}
    return {**given, **more}


def mention(*ids: str) -> dict[str, Any]:
    return {"mentions": [{"id": one, "username": f"u{one[-3:]}"} for one in ids]}


def answer(item: dict[str, Any], **includes: Any) -> dict[str, Any]:
    users = [{"id": MIRA, "name": "Mira Sommer", "username": "mira", **includes.pop("user", {})}]
    return {"data": [item], "includes": {"users": users, **includes}, "meta": {"result_count": 1}}


def event(kind: str, payload: dict[str, Any], account: str = US, **more: Any) -> dict[str, Any]:
    data = {"event_uuid": "-68504721716005", "event_type": kind, "filter": {"user_id": account}}
    return {"data": {**data, "tag": "t", "payload": payload, **more}}


@pytest.fixture
def one(read: Any) -> Any:
    def reading(document: Any, **context: Any) -> Any:
        given = {"account": US, "handle": "stadtwerke", "siblings": frozenset({SISTER})}
        found = read(document, **{**given, **context})
        assert len(found) == 1, found
        return found[0]

    return reading


def test_a_mention(one: Any) -> None:
    found = one(answer(post("@stadtwerke wo?", entities=mention(US))), source="mentions")
    assert (found.kind, found.id, found.thread) == (Kind.MENTION, post()["id"], post()["id"])
    assert found.author.id == MIRA
    assert (found.author.name, found.author.handle) == ("Mira Sommer", "mira")
    assert found.url == f"https://x.com/mira/status/{found.id}"
    assert found.sent_at == datetime(2026, 11, 3, 8, 59, 30, tzinfo=UTC)
    assert found.no_reply is None


def test_push_and_poll_are_one_item(one: Any) -> None:
    item = post("@stadtwerke wo?", entities=mention(US))
    users = answer(item)["includes"]
    pushed = one(event("post.mention.create", item, includes=users))
    assert pushed == one(answer(item), source="mentions")
    assert pushed == one(answer(item), source="search")


def test_a_reply_to_us_is_a_comment_in_its_conversation(one: Any) -> None:
    root = "1985000000000000001"
    item = post(
        "@stadtwerke geht nicht",
        conversation_id=root,
        in_reply_to_user_id=US,
        referenced_tweets=[{"type": "replied_to", "id": root}],
    )
    ours = {"id": root, "author_id": US, "text": "Neuer Tarif &amp; mehr"}
    found = one(answer(item, tweets=[ours]), source="mentions")
    assert (found.kind, found.thread, found.parent) == (Kind.COMMENT, root, root)
    assert (found.thread_text, found.no_reply) == ("Neuer Tarif & mehr", None)


def test_a_quote_of_ours_can_be_answered(one: Any) -> None:
    quoted = "1985000000000000001"
    item = post("so nicht", referenced_tweets=[{"type": "quoted", "id": quoted}])
    ours = {"id": quoted, "author_id": US, "text": "Neuer Tarif"}
    found = one(answer(item, tweets=[ours]), source="quotes")
    assert (found.kind, found.no_reply) == (Kind.MENTION, None)
    [link] = found.attachments
    assert (link.kind, link.text) == (AttachmentKind.LINK, "Neuer Tarif")


def test_talk_can_be_read_and_not_answered(one: Any) -> None:
    talk = answer(post("Strom weg bei den Stadtwerken"))
    found = one(talk, source="search")
    assert (found.kind, found.no_reply) == (Kind.POST, NOT_SUMMONED)
    assert found.url == f"https://x.com/mira/status/{found.id}"
    assert one(talk, source="search", summoned_only=False).no_reply is None


def test_who_limits_answers_is_answered_on_x(one: Any) -> None:
    item = post(referenced_tweets=[{"type": "quoted", "id": "7"}], reply_settings="mentionedUsers")
    told = answer(item, tweets=[{"id": "7", "author_id": US}])
    assert "only people mentioned" in one(told, source="quotes").no_reply
    protected = answer(post(), user={"protected": True})
    found = one(protected, source="search", summoned_only=False)
    assert "protected" in found.no_reply


def test_a_repost_is_no_request(one: Any) -> None:
    item = post("RT @u", referenced_tweets=[{"type": "retweeted", "id": "7"}])
    assert one(answer(item), source="search") == Ignored(reason="repost")
    assert one(event("post.repost.create", post("RT"))) == Ignored(reason="repost")


def test_an_edit_is_a_new_version_of_the_first_id(one: Any) -> None:
    first, second = post()["id"], "1985000000000000099"
    item = post("@stadtwerke neu", id=second, edit_history_tweet_ids=[first, second])
    found = one(answer({**item, "conversation_id": second}), source="mentions")
    assert (found.id, found.revision, found.thread) == (first, second, first)
    assert found.url.endswith(second)


def test_a_long_post_is_read_whole(one: Any) -> None:
    item = post("kurz… https://t.co/abc", note_tweet={"text": "lang " * 100 + "&lt;Ende&gt;"})
    assert one(answer(item), source="mentions").text.endswith("lang <Ende>")


def test_links_are_real_and_media_are_attached(one: Any) -> None:
    urls = [
        {"url": "https://t.co/a", "expanded_url": "https://stadtwerke.example/a"},
        {"url": "https://t.co/b", "expanded_url": "https://x.com/p/1", "media_key": "3_1"},
    ]
    item = post(
        "siehe https://t.co/a https://t.co/b",
        entities={"urls": urls},
        attachments={"media_keys": ["3_1", "7_2", "3_9"]},
    )
    photo = {"media_key": "3_1", "type": "photo", "url": "https://p.example/1", "alt_text": "Uhr"}
    films = [
        {"content_type": "application/x-mpegURL", "url": "https://p.example/m3u"},
        {"content_type": "video/mp4", "bit_rate": 256, "url": "https://p.example/low"},
        {"content_type": "video/mp4", "bit_rate": 832, "url": "https://p.example/high"},
    ]
    film = {"media_key": "7_2", "type": "video", "variants": films}
    found = one(answer(item, media=[photo, film]), source="mentions")
    assert found.text == "siehe https://stadtwerke.example/a"
    told = [(one.kind, one.url, one.text) for one in found.attachments]
    assert told == [
        (AttachmentKind.IMAGE, "https://p.example/1", "Uhr"),
        (AttachmentKind.VIDEO, "https://p.example/high", None),
        (AttachmentKind.OTHER, None, None),
    ]


def test_what_we_say_is_context_or_an_echo(one: Any) -> None:
    ours = post("Neuer Tarif", author_id=US)
    found = one(answer(ours), source="timeline")
    assert isinstance(found, Message)
    assert (found.own, found.kind) == (True, Kind.POST)
    reply = {
        **ours,
        "text": "@mira Danke!",
        "display_text_range": [6, 12],
        "referenced_tweets": [{"type": "replied_to", "id": "7"}],
    }
    echo = one(event("post.create", reply))
    assert isinstance(echo, Echo)
    assert (echo.message.text, echo.message.parent, echo.message.own) == ("Danke!", "7", True)


def test_two_own_accounts_in_one_conversation(one: Any) -> None:
    both = answer(post("@billing @stadtwerke?", entities=mention(SISTER, US)))
    assert one(both, source="mentions") == Ignored(reason=SIBLING)
    eyes = {"account": SISTER, "siblings": frozenset({US})}
    assert isinstance(one(both, source="mentions", **eyes), Message)
    sister = one(answer(post("@mira hier", author_id=SISTER)), source="mentions")
    assert isinstance(sister, Message)
    assert sister.own
    # Who is answered has it, whoever else X mentions beside.
    item = post(entities=mention(SISTER, US), in_reply_to_user_id=US)
    assert one(answer(item), source="mentions").kind is Kind.COMMENT


def test_a_quote_of_ours_that_names_the_other_is_the_others_on_both_roads(one: Any) -> None:
    item = post(
        "@billing stimmt das?",
        entities=mention(SISTER),
        referenced_tweets=[{"type": "quoted", "id": "7"}],
    )
    includes = {"tweets": [{"id": "7", "author_id": US}]}
    roads = {
        "quotes": {"data": [item], "includes": includes},
        "webhook": event("post.quote.create", item, includes=includes),
    }
    for source, document in roads.items():
        assert one(document, source=source) == Ignored(reason=SIBLING)
    eyes = {"account": SISTER, "siblings": frozenset({US})}
    assert one(event("post.mention.create", item, SISTER), **eyes).kind is Kind.MENTION


def test_an_own_post_that_names_the_other_account_asks_nobody(one: Any) -> None:
    item = post("Fragen zur Rechnung? @billing hilft.", author_id=US, entities=mention(SISTER))
    mine = one(event("post.create", item))
    eyes = {"account": SISTER, "siblings": frozenset({US})}
    theirs = one(event("post.mention.create", item, SISTER), **eyes)
    for found in (mine, theirs, one(answer(item), source="mentions", **eyes)):
        assert isinstance(found, Message)
        assert (found.own, found.kind, found.no_reply) == (True, Kind.POST, None)


def test_a_deeper_conversation_is_completed(read: Any) -> None:
    item = post(
        "@stadtwerke das hier",
        conversation_id="1985000000000000001",
        referenced_tweets=[{"type": "replied_to", "id": "1985000000000000002"}],
        entities=mention(US),
    )
    found = read(answer(item), source="mentions", account=US)
    assert found[1] == Lookup(source="conversation", argument=f"1985000000000000001:{MIRA}")
    assert len(read(answer(item), source="conversation", account=US)) == 1
    assert len(read(answer(item), source="mentions", account=US, complete_threads=False)) == 1


def test_missing_includes_and_partial_errors(one: Any) -> None:
    lost = {"type": "x/resource-not-found", "resource_id": "7", "title": "Not Found Error"}
    item = post(
        "@stadtwerke hallo",
        conversation_id="7",
        in_reply_to_user_id=US,
        referenced_tweets=[{"type": "replied_to", "id": "7"}],
    )
    found = one({"data": [item], "errors": [lost]}, source="mentions")
    assert (found.author.id, found.author.name, found.parent) == (MIRA, None, "7")
    assert found.url.endswith(f"/i/status/{found.id}")
    assert one({"data": [{"id": "7", "text": "nur das"}]}, source="mentions").author is None


def test_ids_stay_what_they_are(one: Any) -> None:
    found = one(answer(post(id=9007199254740993, edit_history_tweet_ids=[])), source="mentions")
    assert found.id == "9007199254740993"


# direct messages

PAIR = f"{US}-{MIRA}"


def direct(sender: str = MIRA, **more: Any) -> dict[str, Any]:
    given = {"id": "1985", "event_type": "MessageCreate", "text": "hallo &amp;", "created_at": AT}
    return {**given, "sender_id": sender, "dm_conversation_id": PAIR, **more}


def pushed(kind: str, sender: str, recipient: str, account: str = US) -> dict[str, Any]:
    made = {
        "target": {"recipient_id": recipient},
        "sender_id": sender,
        "message_data": {"text": "hallo &amp;"},
    }
    told = {"type": "message_create", "id": "1985", "created_timestamp": "1793696370000"}
    users = {MIRA: {"data": {"id": MIRA, "name": "Mira Sommer", "username": "mira"}}}
    payload = {"direct_message_events": [{**told, "message_create": made}], "users": users}
    return event(kind, payload, account)


def test_a_direct_message_on_both_roads(one: Any) -> None:
    polled = one(answer(direct()), source="direct")
    assert (polled.kind, polled.thread, polled.text) == (Kind.DIRECT_MESSAGE, PAIR, "hallo &")
    assert one(pushed("dm.received", MIRA, US)) == polled


def test_a_direct_message_comes_in_both_directions_twice(one: Any) -> None:
    told = [pushed(kind, US, MIRA) for kind in ("dm.sent", "dm.received")]
    for document in (*told, answer(direct(US))):
        found = one(document, source="direct" if "includes" in document else "webhook")
        assert isinstance(found, Echo)
        assert (found.message.id, found.message.thread) == ("1985", PAIR)
    keys = {split(Payload(body=json.dumps(one).encode())).events[0].key for one in told}
    assert len(keys) == 2
    sister = one(pushed("dm.received", SISTER, US))
    assert isinstance(sister, Message)
    assert sister.own


def test_an_encrypted_chat_is_heard(one: Any) -> None:
    payload = {"id": "8e75-46", "created_at_msec": "1793696370000", "sender_id": MIRA}
    payload["conversation_id"] = f"{MIRA}:{US}"
    found = one(event("chat.received", payload))
    assert (found.thread, found.text, found.no_reply) == (PAIR, None, ENCRYPTED)
    assert isinstance(one(event("chat.sent", {**payload, "sender_id": US})), Echo)


def test_other_events_of_direct_messages(one: Any) -> None:
    joined = direct(event_type="ParticipantsJoin")
    assert one(answer(joined), source="direct").reason == "direct message event: ParticipantsJoin"
    mark: dict[str, Any] = {"created_timestamp": "1793696370000", "sender_id": MIRA}
    mark["target"] = {"recipient_id": US}
    read = one(event("dm.read", {"direct_message_mark_read_events": [mark]}))
    assert isinstance(read, DeliveryStatus)
    assert (read.status, read.thread) == ("read", PAIR)
    assert one(event("dm.indicate_typing", {})).reason == "dm.indicate_typing"
    assert one(answer(direct(dm_conversation_id=None)), source="direct").thread == PAIR


def test_media_and_posts_in_direct_messages(one: Any) -> None:
    item = direct(attachments={"media_keys": ["3_1"]}, referenced_tweets=[{"id": "7"}])
    told = answer(item, media=[{"media_key": "3_1", "type": "photo", "url": "https://p.example"}])
    photo, shared = one(told, source="direct").attachments
    assert (photo.url, shared.url) == ("https://p.example", "https://x.com/i/status/7")
    document = pushed("dm.received", MIRA, US)
    made = document["data"]["payload"]["direct_message_events"][0]["message_create"]
    media = {"id": 7, "type": "photo", "media_url_https": "https://ton.example/7"}
    made["message_data"]["attachment"] = {"type": "media", "media": media}
    assert one(document).attachments[0].url == "https://ton.example/7"


# other events


def test_a_deletion_and_a_like(one: Any) -> None:
    gone = one(event("post.delete", {"id": "7", "author_id": US}))
    assert isinstance(gone, Deletion)
    assert gone.id == "7"
    like = one(event("like.create", {"liked_tweet_id": "7", "timestamp_ms": "1793696370000"}))
    assert isinstance(like, Reaction)
    assert like.at == datetime(2026, 11, 3, 8, 59, 30, tzinfo=UTC)


def test_a_word_in_a_broadcast_is_heard(one: Any) -> None:
    author = {"data": {"id": MIRA, "username": "mira"}}
    payload = {"broadcast_id": "1m", "message_id": "9", "message": "Frage!", "author": author}
    found = one(event("broadcast.chat", payload))
    assert (found.text, found.thread, found.author.handle) == ("Frage!", "1m", "mira")
    assert found.no_reply


def test_an_event_goes_to_its_account() -> None:
    body = json.dumps(event("post.mention.create", post(), SISTER)).encode()
    [found] = split(Payload(body=body)).events
    assert found.account == SISTER
    other = json.dumps(event("post.mention.create", post(), US)).encode()
    assert split(Payload(body=other)).events[0].key != found.key
    assert split(Payload(body=body)).events[0].key == found.key


def test_unknown_content_is_named(one: Any) -> None:
    assert one(event("profile.update.bio", {"before": "a"})).reason == "profile.update.bio"
    assert one({"something": 1}).reason == "unknown delivery"
    assert one({"data": [], "meta": {}}).reason == "empty answer"
    assert one({"data": [{"strange": 1}]}).reason == "unknown object"
    assert one({"data": [None]}).reason == "empty item"
    assert one({"errors": [{"title": "x"}]}).reason == "error answer"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'"text"',
        b"{",
        b"\xff",
        b'{"a":' * (MAX_DEPTH + 2) + b"1" + b"}" * (MAX_DEPTH + 2),
        b"[" * 100_000,
    ],
)
def test_what_is_no_payload_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidPayload):
        split(Payload(body=body))


def test_what_has_no_id_is_kept_for_replay(read: Any) -> None:
    for document, source in (
        ({"data": [{"text": "hallo"}]}, "mentions"),
        ({"data": [{"text": "hallo", "sender_id": "7"}]}, "direct"),
        (event("chat.received", {"sender_id": MIRA}), "webhook"),
    ):
        with pytest.raises(InvalidPayload, match="without its id"):
            read(document, source=source, account=US)


def test_times_that_cannot_be_give_way_to_arrival(one: Any) -> None:
    now = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)
    for at in ("1999-01-01T00:00:00.000Z", "2999-01-01T00:00:00.000Z", "soon", 7, None):
        assert one(answer(post(created_at=at)), source="mentions", now=now).sent_at == _arrival()
    early = one(answer(post(created_at="2026-11-03T08:00:00.000Z")), source="mentions")
    assert now - early.sent_at == timedelta(hours=1)


def _arrival() -> datetime:
    """`split` does not know when an event arrived; the core fills that in."""
    return datetime(1970, 1, 1, tzinfo=UTC)
