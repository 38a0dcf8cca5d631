"""What each kind of event means: our fixtures, one line of meaning for each."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from channelmix.errors import InvalidPayload
from channelmix.records import (
    Article,
    Attachment,
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
from channelmix_facebook.parsing import ingest, split

FIXTURES = Path(__file__).parent / "fixtures"
PAGE, APP = "500", "1517776481860111"
TIME = 1750000200
ARRIVED = datetime(2025, 6, 15, 15, 30, tzinfo=UTC)


def fixture(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FIXTURES / f"{name}.json").read_bytes())
    return found


def delivery(*items: Any, name: str = "changes", time: Any = TIME, page: Any = PAGE) -> bytes:
    entry = {"id": page, "time": time, name: list(items)}
    return json.dumps({"object": "page", "entry": [entry]}).encode()


def change(field: Any, value: Any) -> bytes:
    return delivery({"field": field, "value": value})


def direct(item: dict[str, Any], *, name: str = "messaging") -> bytes:
    sides = {"sender": {"id": "41"}, "recipient": {"id": PAGE}, "timestamp": 1750000000123}
    return delivery({**sides, **item}, name=name)


def means(body: bytes, *, source: str = "webhook", page: str = PAGE) -> list[Inbound]:
    events = split(Payload(body=body, source=source)).events
    return [one for event in events for one in read(event, page=page)]


def read(event: RawEvent, *, page: str = PAGE) -> tuple[Inbound, ...]:
    arrived = RawEvent(
        key=event.key,
        body=event.body,
        account=event.account,
        source=event.source,
        received_at=ARRIVED,
    )
    return ingest(arrived, account=page, app_id=APP).inbounds


def pictures(attachments: tuple[Attachment, ...]) -> str:
    shown = (f"{one.kind} {one.url or one.text or one.id}" for one in attachments)
    return "".join(f" [{one}]" for one in shown)


def brief(one: Inbound) -> str:  # noqa: PLR0911 - one return for each kind of inbound
    """Say in one line what matters of an inbound."""
    match one:
        case Message():
            who = one.author.id if one.author else "?"
            below = f" < {one.parent}" if one.parent else ""
            extra = f" ({one.rating})" if one.rating else ""
            extra += f" {{{one.payload}}}" if one.payload else ""
            said = f"{one.text or ''}{pictures(one.attachments)}{extra}"
            where = f"{one.kind} {one.thread} > {one.id}{below}"
            return f"{'own ' if one.own else ''}{where} {who}: {said}"
        case Echo():
            return f"echo {one.ours} {one.token}: {brief(one.message)}"
        case Edit():
            return f"edit {one.thread} > {one.id}: {one.text} hidden={one.hidden}"
        case Deletion():
            return f"deletion {one.thread} > {one.id}"
        case Reaction():
            who = one.author.id if one.author else "?"
            return (
                f"{'no ' if one.removed else ''}{one.name} by {who} on {one.target} in {one.thread}"
            )
        case DeliveryStatus():
            return f"{one.status} {one.thread} {','.join(one.ids)}"
        case Lookup():
            return f"look up {one.source} {one.argument}"
        case Article():
            return f"article {one.id}: {one.title}"
        case Ignored():
            return f"ignored: {one.reason}"


FEED = {
    "visitor post": "post 500_71 > 500_71 9007199254740993: The heating is cold again",
    "visitor photo post": "post 500_72 > 500_72 41:  [image https://media.example/72.jpg]",
    "visitor video post": "post 500_73 > 500_73 41:  [video https://media.example/73.mp4]",
    "visitor album": "post 500_74 > 500_74 41: "
    " [image https://media.example/a.jpg] [image https://media.example/b.jpg]",
    "post without an author": "post 500_75 > 500_75 ?: Anybody there?",
    "post of an old version": "post 500_76 > 500_76 41: Old but heard",
    "post of a new kind": "post 500_77 > 500_77 41: Can you see me?",
    "shared link": "post 500_78 > 500_78 41: Is this true? [link https://news.example/story]",
    "post with nothing in it": "look up post 500_79",
    "own status": "own post 500_80 > 500_80 500: New tariffs from July",
    "own unpublished post": "ignored: unpublished",
    "visitor post awaiting approval": "post 500_82 > 500_82 41: Please help",
    "own event": "own post 500_83 > 500_83 ?: ",
    "own album": "own post 500_84 > 500_84 500: ",
    "comment": "comment 500_71 > 71_1 < 500_71 42: Mine too",
    "nested comment": "comment 500_71 > 71_2 < 71_1 41: Since when?",
    "photo comment": "comment 500_71 > 71_3 < 500_71 42:  [image https://media.example/3.jpg?oh=1&oe=2]",
    "video comment": "comment 500_71 > 71_4 < 500_71 42:  [video https://media.example/4.mp4]",
    "sticker comment": "look up comment 71_5",
    "comment on an unpublished post": "comment 500_71 > 71_6 < 500_71 42: From the ad",
    "comment without an author or a post": "comment 500_71 > 71_7 < 500_71 ?: Anonymous",
    "own comment": "echo None None: own comment 500_71 > 71_8 < 71_1 500: We are on it",
    "edited comment": "edit 500_71 > 71_1: Mine too, in Park Road 3 hidden=None",
    "trashed post": "edit 500_80 > 500_80: None hidden=None",
    "removed comment": "deletion 500_71 > 71_1",
    "removed post": "deletion 500_71 > 500_71",
    "hidden comment": "edit 500_71 > 71_1: None hidden=True",
    "unhidden post": "edit 500_71 > 500_71: None hidden=False",
    "reaction": "angry by 42 on 500_71 in 500_71",
    "reaction taken back": "no love by 42 on 71_1 in 500_71",
    "like of an old version": "like by 42 on 71_1 in None",
    "like of the page": "ignored: reaction to the page",
    "muted video": "ignored: verb: mute",
    "unknown item": "ignored: unknown item: telepathy",
    "unknown verb": "ignored: verb: whisperb",
}

ELSEWHERE = {
    "mention in a post": "mention 42_91 > 42_91 42: Thanks @Stadtwerke for nothing",
    "mention in a comment": "mention 77_92 > 92_1 < 77_92 ?: Ask the Stadtwerke",
    "mention, ids only": "look up comment 92_2",
    "mention of a post, id only": "look up post 77_93",
    "mention taken back": "deletion 42_91 > 42_91",
    "recommendation": "review 901 > 901 43: Three weeks without hot water (negative)",
    "recommendation without words": "review 902 > 902 43:  (positive)",
    "stars": "review 903 > 903 43: So so",
    "recommendation edited": "edit 901 > 901: It is warm again hidden=None",
    "recommendation taken back": "deletion 901 > 901",
    "comment on a recommendation": "comment 901 > 901_5 < 901 42: Same here",
    "comment on a recommendation, id only": "look up comment 901_6",
    "own comment on a recommendation": "echo None None: "
    "own comment 901 > 901_7 < 901_5 500: We are sorry",
    "like of a recommendation": "like by 42 on 901 in 901",
    "reaction below a recommendation": "wow by 42 on 901_5 in 901",
    "unknown field": "ignored: unknown field: weather",
    "field with an ugly name": "ignored: unknown field: weatherscript",
    "no value": "ignored: feed without value",
    "a dashboard's message": "direct_message 41 > m_t 41: test",
}

MESSENGER = {
    "text": "direct_message 41 > m_1 41: Hello, is anybody there?",
    "photo": "direct_message 41 > m_2 41:  [image https://media.example/meter.jpg]",
    "media": "direct_message 41 > m_3 41:  [video https://media.example/v.mp4]"
    " [audio https://media.example/a.mp4] [file https://media.example/bill.pdf]",
    "sticker": "direct_message 41 > m_4 41:  [sticker https://media.example/s.png]",
    "sticker of an old version": "direct_message 41 > m_5 41:  [sticker https://media.example/s.png]",
    "place": "direct_message 41 > m_6 41:  [location 48.5, 9.05\nPinned place]",
    "link": "direct_message 41 > m_7 41: https://news.example [link https://news.example]",
    "template": "direct_message 41 > m_8 41:  [template https://media.example/p.png]",
    "shares": "direct_message 41 > m_9 41:  [video https://media.example/r.mp4]"
    " [video https://media.example/i.mp4] [link https://www.facebook.com/500_80]"
    " [link https://news.example]",
    "attachment of a new kind": "direct_message 41 > m_10 41: "
    " [other appointment_booking\nrequested]",
    "quick reply": "direct_message 41 > m_11 41: Yes {CONFIRM}",
    "answer to a message": "direct_message 41 > m_12 < m_1 41: That one",
    "from an ad": "direct_message 41 > m_13 41: How much? {summer}",
    "what apps do not see": "direct_message 41 > m_14 41:  [other unsupported]",
    "unsent": "deletion 41 > m_1",
    "echo of ours": "echo True send-key-7: own direct_message 41 > m_20 500: One moment",
    "echo of another app": "echo False None: own direct_message 41 > m_21 500: From the inbox",
    "echo without an app": "echo False None: own direct_message 41 > m_22 500: "
    " [image https://media.example/x.jpg]",
    "edit": "edit 41 > m_1: Hello?! hidden=None",
    "delivery": "delivered 41 m_20,m_21",
    "read": "read 41 ",
    "reaction": "love by 41 on m_20 in 41",
    "reaction taken back": "no other by 41 on m_20 in 41",
    "postback": "direct_message 41 > m_30 41: Report a fault {FAULT}",
    "referral": "ignored: referral",
    "opt-in": "ignored: optin",
    "policy": "ignored: policy enforcement",
    "hand-over": "ignored: thread control",
    "account link": "ignored: account linking",
    "unknown": "ignored: unknown event: brain_wave",
    "null message": "ignored: unknown event: message",
}
DERIVED = {
    "message without id": "41: No name",
    "postback without id": "41:  {GET_STARTED}",
    "postback of a guest": "guest-1: Start {hey}",
}

GRAPH = {
    "page feed": [
        "post 500_71 > 500_71 41: The heating is cold again",
        "comment 500_71 > 71_1 < 500_71 42: Mine too",
        "echo None None: own comment 500_71 > 71_8 < 71_1 500: We are on it",
        "comment 500_71 > 71_5 < 500_71 42:  [sticker https://media.example/s.png]",
        "own post 500_80 > 500_80 500: New tariffs from July",
        "ignored: unpublished",
    ],
    "posts with pictures": [
        (
            "post 500_72 > 500_72 41:  [image https://media.example/72.jpg]"
            " [video https://media.example/72.mp4]"
        ),
        "post 500_74 > 500_74 41:  [image https://media.example/74.jpg]",
        "post 500_78 > 500_78 41: Is this true? [link https://news.example/story]",
    ],
    "one comment, its post in the link": ["comment 500_71 > 71_12 < 71_11 ?: Which form?"],
    "comments by id": [
        "comment 500_71 > 71_1 < 500_71 42: Mine too",
        "comment 500_71 > 71_9 < 500_71 43: And mine",
    ],
    "conversation": [
        "echo None None: own direct_message 41 > m_20 500: One moment",
        "direct_message 41 > m_1 41: Hello, is anybody there?",
        "direct_message 41 > m_0 ?: No sender given",
        "ignored: conversation without messages",
    ],
    "messages with attachments": [
        (
            "direct_message 41 > m_50 41:  [image https://media.example/1.jpg]"
            " [sticker https://media.example/2.png] [video https://media.example/3.mp4]"
            " [audio https://media.example/4.mp3] [file https://media.example/5.pdf]"
            " [template https://media.example/6.png] [other 7]"
        ),
        (
            "direct_message 41 > m_51 41:  [sticker https://media.example/like.png]"
            " [link https://news.example]"
        ),
    ],
    "recommendations": [
        "review 901 > 901 43: Three weeks without hot water (negative)",
        "comment 901 > 901_5 < 901 42: Same here",
        "review 904 > 904 ?: Very kind (positive)",
    ],
    "no content": [
        f"ignored: {why}"
        for why in (
            *("page", "page", "profile", "token", "graph error", "send answer"),
            "photo or page without an author",
            *("no content asked for", "unknown object", "empty item"),
        )
    ],
}


@pytest.mark.parametrize("name", FEED)
def test_a_change_of_the_feed(name: str) -> None:
    assert [brief(one) for one in means(change("feed", fixture("feed")[name]))] == [FEED[name]]


@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_mention_or_a_recommendation(name: str) -> None:
    body = change(*fixture("elsewhere")[name])
    assert [brief(one) for one in means(body)] == [ELSEWHERE[name]]


@pytest.mark.parametrize("name", MESSENGER)
def test_a_messenger_event(name: str) -> None:
    found = means(direct(fixture("messenger")[name]))
    assert [brief(one) for one in found] == [MESSENGER[name]]


@pytest.mark.parametrize("name", DERIVED)
def test_a_messenger_event_without_an_id_gets_a_lasting_one(name: str) -> None:
    body = direct(fixture("messenger")[name])
    first, again = means(body), means(body)
    assert first == again
    assert brief(first[0]).endswith(DERIVED[name])


@pytest.mark.parametrize("name", GRAPH)
def test_a_graph_answer(name: str) -> None:
    body = json.dumps(fixture("graph")[name]).encode()
    assert [brief(one) for one in means(body)] == GRAPH[name]


def test_every_fixture_is_in_a_table() -> None:
    tables: dict[str, dict[str, Any]] = {
        "feed": FEED,
        "elsewhere": ELSEWHERE,
        "messenger": MESSENGER | DERIVED,
        "graph": GRAPH,
    }
    assert {name: fixture(name).keys() for name in tables} == {
        name: table.keys() for name, table in tables.items()
    }


def only(body: bytes, *, source: str = "webhook", page: str = PAGE) -> Any:
    (found,) = means(body, source=source, page=page)
    return found


def test_a_comment_knows_its_time_its_author_and_what_it_is_below() -> None:
    comment = only(change("feed", fixture("feed")["comment"]))
    assert comment.sent_at == datetime(2025, 6, 15, 15, 6, 50, tzinfo=UTC)
    assert comment.author.name == "Ben Sommer"
    assert comment.thread_text == "The heating is cold again"
    assert comment.thread_url == "https://www.facebook.com/500/posts/71"
    assert comment.url == "https://www.facebook.com/71_1"


def test_a_hidden_comment_of_a_sweep_says_so() -> None:
    found = means(json.dumps(fixture("graph")["page feed"]).encode(), source="feed")
    assert [one.hidden for one in found if isinstance(one, Message)] == [None, None, True, None]


def test_a_comment_pushed_and_swept_is_one_item() -> None:
    pushed = only(change("feed", fixture("feed")["comment"]))
    swept = means(json.dumps(fixture("graph")["page feed"]).encode(), source="feed")[1]
    same = ("id", "kind", "thread", "parent", "text", "sent_at", "revision")
    assert isinstance(swept, Message)
    assert [getattr(pushed, key) for key in same] == [getattr(swept, key) for key in same]


def test_a_conversation_pushed_and_swept_is_one_thread() -> None:
    conversation = fixture("graph")["conversation"]["data"][0]
    # The page may come first among the participants, too.
    conversation["participants"]["data"].reverse()
    swept = means(json.dumps(conversation).encode(), source="conversation")
    pushed = only(direct(fixture("messenger")["text"]))
    ids = {one.message.thread if isinstance(one, Echo) else one.thread for one in swept}  # type: ignore[union-attr]  # both are said in a thread
    assert ids == {pushed.thread} == {"41"}


def test_an_echo_is_in_the_customers_thread_whichever_side_names_the_customer() -> None:
    usual = fixture("messenger")["echo of ours"]
    swapped = {**usual, "sender": usual["recipient"], "recipient": usual["sender"]}
    threads = {only(direct(item)).message.thread for item in (usual, swapped)}
    assert threads == {"41"}


def test_without_an_app_id_an_echo_does_not_say_whose_it_is() -> None:
    (event,) = split(Payload(body=direct(fixture("messenger")["echo of ours"]))).events
    (echo,) = ingest(event, account=PAGE).inbounds
    assert isinstance(echo, Echo)
    assert echo.ours is None


def test_standby_is_read_but_not_answered() -> None:
    found = only(direct(fixture("messenger")["text"], name="standby"))
    assert (found.text, found.no_reply) == (
        "Hello, is anybody there?",
        "another app owns this conversation",
    )


def test_a_guest_cannot_be_answered() -> None:
    assert only(direct(fixture("messenger")["postback of a guest"])).no_reply
    assert only(direct(fixture("messenger")["postback"])).no_reply is None


def test_two_edits_in_one_second_are_two_and_the_same_one_again_is_not() -> None:
    value = fixture("feed")["edited comment"]
    revisions = [
        only(change("feed", {**value, "message": text})).revision for text in ("a", "b", "a")
    ]
    assert revisions[0] == revisions[2] != revisions[1]


def test_a_messenger_edit_is_named_by_its_number() -> None:
    assert only(direct(fixture("messenger")["edit"])).revision == "2"


def test_a_dashboard_test_is_ignored() -> None:
    body = delivery({"field": "feed", "value": fixture("feed")["visitor post"]}, page="0")
    assert only(body) == Ignored(reason="dashboard test")


@pytest.mark.parametrize("name", ["instagram", "user", 7, None])
def test_what_is_no_page_is_left_to_others(name: Any) -> None:
    body = json.dumps({"object": name, "entry": [{"id": "9", "changes": [{}]}]}).encode()
    assert only(body).reason.startswith("not a page: ")


def test_a_tagged_post_elsewhere_is_a_mention() -> None:
    tagged = {"data": [{"id": "42_91", "message": "@Stadtwerke!", "from": {"id": "42"}}]}
    assert only(json.dumps(tagged).encode(), source="tagged").kind is Kind.MENTION


def test_a_looked_up_comment_elsewhere_keeps_its_own_post() -> None:
    found = {
        "id": "92_2",
        "message": "@Stadtwerke?",
        "permalink_url": "https://www.facebook.com/permalink.php?story_fbid=92&id=77&comment_id=2",
    }
    assert only(json.dumps(found).encode(), source="comment").thread == "77_92"


def test_replies_below_a_comment_that_was_asked_for_alone_stand_below_its_post() -> None:
    reply = {"id": "71_2", "message": "Since when?", "from": {"id": "41"}}
    asked = {"id": "71_1", "message": "Mine too", "comments": {"data": [reply]}}
    assert [brief(one) for one in means(json.dumps(asked).encode(), source="comment")] == [
        "comment 500_71 > 71_1 < 500_71 ?: Mine too",
        "comment 500_71 > 71_2 < 71_1 41: Since when?",
    ]


def test_a_dry_run_takes_the_page_from_the_payload() -> None:
    own = {"id": "500_80", "message": "New tariffs", "from": {"id": "500"}}
    assert only(json.dumps(own).encode(), page="").own
    assert only(change("feed", fixture("feed")["own status"]), page="").own


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        (1750000000, datetime(2025, 6, 15, 15, 6, 40, tzinfo=UTC)),
        (1750000000123, datetime(2025, 6, 15, 15, 6, 40, 123000, tzinfo=UTC)),
        ("1750000000", datetime(2025, 6, 15, 15, 6, 40, tzinfo=UTC)),
        ("2025-06-15T17:06:40+0200", datetime(2025, 6, 15, 15, 6, 40, tzinfo=UTC)),
    ],
)
def test_a_time(time: Any, expected: datetime) -> None:
    value = {**fixture("feed")["comment"], "created_time": time}
    assert only(change("feed", value)).sent_at == expected


ABSURD = [-5, 0, 253402300799000, 10**30, 1e400, "soon", "9" * 5000, True, None, []]


@pytest.mark.parametrize(
    "time", [*ABSURD, "0001-01-01T00:00:00+2359"], ids=lambda one: repr(one)[:20]
)
def test_an_absurd_time_gives_way_to_the_entrys(time: Any) -> None:
    value = {**fixture("feed")["comment"], "created_time": time}
    assert only(change("feed", value)).sent_at == datetime.fromtimestamp(TIME, UTC)


def test_without_any_time_it_is_the_arrival() -> None:
    value = {**fixture("feed")["comment"], "created_time": None}
    assert only(delivery({"field": "feed", "value": value}, time="never")).sent_at == ARRIVED


@pytest.mark.parametrize(
    "text", ["🧯🔥", "שלום עולם", "a\x00b", "\ud800 alone", "\u202eabc", "x" * 99999]
)
def test_any_text_comes_through_as_it_is(text: str) -> None:
    value = {**fixture("feed")["comment"], "message": text}
    assert only(change("feed", value)).text == text


def test_escapes_as_the_network_writes_them() -> None:
    body = change("feed", fixture("feed")["comment"]).replace(b"Mine too", rb"M\u00fcll \/ Abfuhr")
    assert only(body).text == "Müll / Abfuhr"


# --- split ----------------------------------------------------------------------------------


def test_every_item_of_every_entry_and_list_is_an_event_of_its_own() -> None:
    entries = [
        {"id": "1", "time": 5, "changes": [{"field": "a"}, {"field": "b"}]},
        {"id": 2, "messaging": [{"x": 1}], "standby": [{"x": 1}]},
        {"id": "3", "field": "comments", "value": {}},
        "what is this",
    ]
    body = json.dumps({"object": "page", "entry": entries}).encode()
    events = split(Payload(body=body)).events
    assert [event.account for event in events] == ["1", "1", "2", "2", "3", ""]
    assert len({event.key for event in events}) == 6
    assert json.loads(events[1].body) == {
        "object": "page",
        "entry": [{"id": "1", "time": 5, "changes": [{"field": "b"}]}],
    }


def test_one_bad_change_of_a_thousand_harms_only_itself() -> None:
    good = fixture("feed")["comment"]
    changes: list[Any] = [
        {"field": "feed", "value": {**good, "comment_id": f"71_{n}"}} for n in range(1000)
    ]
    changes[500] = None
    found = means(delivery(*changes))
    assert sum(isinstance(one, Message) for one in found) == 999
    assert found[500] == Ignored(reason="empty change")


@pytest.mark.parametrize("entry", [[], None, {}, "x"])
def test_a_delivery_without_entries_is_kept(entry: Any) -> None:
    body = json.dumps({"object": "page", "entry": entry}).encode()
    assert only(body).reason in {"empty delivery", "unknown entry"}


def test_the_same_delivery_again_has_equal_keys_and_another_has_not() -> None:
    def keys(text: str) -> list[str]:
        body = change("feed", {**fixture("feed")["comment"], "message": text})
        return [event.key for event in split(Payload(body=body)).events]

    assert keys("a") == keys("a") != keys("b")


def polled(item: dict[str, Any]) -> str:
    (event,) = split(Payload(body=json.dumps(item).encode(), source="feed")).events
    return event.key


def test_an_unchanged_item_polled_again_has_an_equal_key() -> None:
    picture = "https://scontent-{}.xx.fbcdn.net/v/{}/72.jpg?oh={}&oe=1"
    item = {"id": "500_72", "message": "Look", "from": {"id": "41"}}
    first = {**item, "full_picture": picture.format(1, 1, 1), "shares": {"count": 1}}
    second = {**item, "full_picture": picture.format(2, 2, 2), "shares": {"count": 9}}
    assert polled(first) == polled({**second, "updated_time": "2025-06-15T15:06:40+0000"})
    assert polled(first) != polled({**first, "message": "Look!"})
    other = picture.format(1, 1, 1).replace("72.jpg", "73.jpg")
    assert polled(first) != polled({**first, "full_picture": other})


def test_no_token_of_an_answer_is_stored() -> None:
    for answer in fixture("graph").values():
        events = split(Payload(body=json.dumps(answer).encode())).events
        assert not any(b"LEAK" in event.body for event in events)


def test_a_poll_that_finds_nothing_is_no_event() -> None:
    assert split(Payload(body=b'{"data": []}', source="feed")).events == ()


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"no json", b"7", b'"text"', b"null", b"\xff\xfe\xfa"),
        b'{"object":"page","entry":[' + b"[" * 2000 + b"]" * 2000 + b"]}",
        b"[" * 100_000,
        b"[" * 101 + b"]" * 101,
        b"[" + b"9" * 5000 + b"]",
    ],
)
def test_what_cannot_be_read_is_said_to_be(body: bytes) -> None:
    with pytest.raises(InvalidPayload):
        split(Payload(body=body))
    with pytest.raises(InvalidPayload):
        ingest(RawEvent(key="k", body=body), account=PAGE)


def test_something_said_without_an_id_is_quarantined_not_ignored() -> None:
    nameless = {**fixture("feed")["comment"], "comment_id": None}
    for field in ("feed", "mention", "ratings"):
        with pytest.raises(InvalidPayload, match="without its id"):
            means(change(field, nameless))
    for item in ({"status_type": "x", "message": "hi"}, {"can_hide": True, "message": "hi"}):
        with pytest.raises(InvalidPayload, match="without its id"):
            means(json.dumps(item).encode())
