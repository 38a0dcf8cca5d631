import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from attrs import define, field
from channelmix.records import WebhookRequest
from channelmix.testing import server
from channelmix.testing.server import serve
from channelmix_meta.signing import receive


@define
class Desk:
    """A webhook endpoint that keeps what it gets and answers as told."""

    secret: str
    statuses: list[int] = field(factory=list)
    bodies: list[bytes] = field(factory=list)
    asked: asyncio.Event = field(factory=asyncio.Event)

    async def __call__(self, scope: Any, receive_: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            event = await receive_()
            body, more = body + event["body"], event["more_body"]
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        request = WebhookRequest(method="POST", headers=headers, body=body)
        checked = receive(request, secrets=[self.secret], verify_token="word")
        self.bodies.append(body)
        self.asked.set()
        status = self.statuses.pop(0) if self.statuses else checked.response.status
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    def items(self) -> list[Any]:
        entries = [entry for body in self.bodies for entry in json.loads(body)["entry"]]
        lists = ("changes", "messaging", "standby")
        return [item for entry in entries for name in lists for item in entry.get(name, ())]


@pytest.fixture
async def desk(s: Any) -> AsyncIterator[Desk]:
    endpoint = Desk(s.sim.app_secret)
    async with serve(endpoint) as url:
        s.sim.webhook = f"{url}/webhooks/page"
        yield endpoint


async def say(s: Any, **params: Any) -> Any:
    """Write to Jonas by hand; return the error's code and subcode."""
    given = {
        "recipient": json.dumps({"id": s.note.author.id}),
        "message": json.dumps({"text": "Hallo"}),
        "messaging_type": "RESPONSE",
        **params,
    }
    return await s.code("POST", f"{s.sim.account}/messages", **given)


# webhooks


async def test_a_webhook_is_signed_and_escaped_as_meta_does(s: Any, desk: Desk) -> None:
    s.sim.comment(s.post, "Ayşe Kaya", "Straße 1/2 — 😀?")
    await s.sim.flush()
    (body,) = desk.bodies
    assert b"Stra\\u00dfe 1\\/2" in body
    assert b"\\ud83d\\ude00" in body
    assert body.isascii()
    (delivery,) = s.sim.delivered
    assert delivery.accepted
    assert [status for _, status in delivery.attempts] == [200]


async def test_entries_are_batched(s: Any, desk: Desk) -> None:
    for number in range(30):
        s.sim.comment(s.post, "Ole Brandt", f"Nr. {number}")
        s.sim.direct_message("Jonas Weber", f"Nr. {number}")
    await s.sim.flush()
    assert len(desk.bodies) == 3
    assert len(desk.items()) == 60
    assert len(json.loads(desk.bodies[0])["entry"]) == 20


async def test_what_is_not_answered_200_comes_again(s: Any, desk: Desk) -> None:
    desk.statuses = [503, 500]
    s.sim.retries = (0.0, 0.0, 0.0)
    s.sim.comment(s.post, "Ole Brandt", "Hallo?")
    await s.sim.flush()
    assert [status for _, status in s.sim.delivered[0].attempts] == [503, 500, 200]
    assert len(set(desk.bodies)) == 1


async def test_who_never_answers_is_given_up(s: Any, unused_tcp_port: int) -> None:
    s.sim.webhook, s.sim.retries = f"http://127.0.0.1:{unused_tcp_port}", (0.0,)
    event = s.sim.tell_comment(s.comment, "edited")
    await s.sim.flush()
    (delivery,) = s.sim.delivered
    assert ([status for _, status in delivery.attempts], delivery.accepted) == ([None, None], False)
    assert event in s.sim.events()


async def test_events_are_delivered_as_they_come(s: Any, desk: Desk) -> None:
    running = asyncio.create_task(s.sim.run())
    for text in ("Eins", "Zwei"):
        desk.asked.clear()
        s.sim.comment(s.post, "Ole Brandt", text)
        await desk.asked.wait()
    running.cancel()
    assert [item["value"]["message"] for item in desk.items()] == ["Eins", "Zwei"]


async def test_twice_and_backwards(s: Any, desk: Desk) -> None:
    first = s.sim.comment(s.post, "Ole Brandt", "Eins")
    second = s.sim.comment(s.post, "Ole Brandt", "Zwei")
    await s.sim.flush(repeat=2, backwards=True)
    told = [item["value"]["comment_id"] for item in desk.items()]
    assert told == [second.id, first.id] * 2


async def test_what_is_not_pushed_is_an_event_all_the_same(s: Any, desk: Desk) -> None:
    s.sim.comment(s.post, "Ole Brandt", "Still", push=False)
    await s.sim.flush()
    assert desk.bodies == []
    assert s.sim.events()[-1].pushed is False


async def test_everything_people_do_is_told(s: Any, desk: Desk) -> None:
    s.sim.edit(s.comment, "Neu")
    s.sim.edit(s.note, "Neu")
    s.sim.react(s.comment, "Ole Brandt")
    s.sim.react(s.note, "Jonas Weber")
    s.sim.native_reply(s.comment, "Ja")
    s.sim.native_reply(s.note, "Ja")
    s.sim.review("Ole Brandt", "Gut")
    s.sim.mention("Ole Brandt", "@Stadtwerke")
    s.sim.remove(s.note)
    s.sim.remove(s.comment)
    s.sim.remove(s.post)
    await s.sim.flush()
    assert len(desk.items()) == 11 == len([one for one in s.sim.events() if one.pushed])
    verbs = [item["value"]["verb"] for item in desk.items() if "value" in item]
    assert verbs == ["edited", "add", "add", "add", "add", "remove", "remove"]


async def test_the_echo_can_come_before_the_response(s: Any, desk: Desk) -> None:
    s.sim.echo_first = True
    receipt = await s.page.reply(s.answer(s.note, token="key-1"))
    (echo,) = [item["message"] for item in desk.items()]
    assert (echo["mid"], echo["metadata"]) == (receipt.ids[0], "key-1")


async def test_another_apps_conversation_is_told_as_standby(s: Any, desk: Desk) -> None:
    s.sim.pass_thread("Jonas Weber", "4711")
    s.sim.direct_message("Jonas Weber", "Hallo?")
    await s.sim.flush()
    assert "standby" in json.loads(desk.bodies[0])["entry"][0]


# refusals


async def test_token_and_proof(s: Any) -> None:
    me = s.sim.account
    assert await s.code("GET", me, appsecret_proof="wrong") == (100, None)
    s.sim.token_problem = 460
    assert await s.code("GET", me) == (190, 460)
    assert (await s.call("GET", me))[0] == 401
    s.sim.access_token = "other"
    async with httpx.AsyncClient(trust_env=False) as http:
        bare = await http.get(f"{s.sim.base_url}/v26.0/{me}")
    assert bare.json()["error"]["code"] == 190


async def test_permissions(s: Any) -> None:
    s.sim.permissions.clear()
    assert await s.code("GET", f"{s.sim.account}/ratings") == (200, None)
    assert await say(s) == (10, None)


@pytest.mark.parametrize(
    ("permission", "method", "path"),
    [
        ("pages_manage_engagement", "POST", "{comment}"),
        ("pages_manage_engagement", "DELETE", "{comment}"),
        ("pages_manage_engagement", "POST", "{page}/blocked"),
        ("pages_manage_posts", "POST", "{page}/feed"),
        ("pages_manage_posts", "POST", "{page}/photos"),
        ("pages_manage_posts", "POST", "{post}"),
        ("pages_manage_posts", "DELETE", "{post}"),
        ("pages_read_user_content", "GET", "{comment}"),
        ("pages_read_engagement", "GET", "{post}"),
    ],
)
async def test_each_call_needs_its_permission(
    s: Any, permission: str, method: str, path: str
) -> None:
    s.sim.permissions.discard(permission)
    path = path.format(page=s.sim.account, post=s.post.id, comment=s.comment.id)
    assert await s.code(method, path) == (200, None)
    assert s.comment.id in s.sim.world.comments
    assert s.post.id in s.sim.world.posts


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("{page}", {"feilds": "id"}),
        ("{page}", {"fields": "id,nmae"}),
        ("{page}/feed", {"fields": "id,comments{id,massage}"}),
        ("{page}/feed", {"fields": "comments.fliter(stream){id}"}),
        ("{page}/feed", {"fields": "id{"}),
        ("{page}/nonsense", {}),
        ("{page}/blocked", {"fields": "id,comments{id}"}),
        ("{post}/comments", {"order": "backwards"}),
        ("{page}/feed", {"after": "nonsense"}),
    ],
)
async def test_unknown_names_are_refused_in_reading(
    s: Any, path: str, params: dict[str, str]
) -> None:
    path = path.format(page=s.sim.account, post=s.post.id)
    assert await s.code("GET", path, **params) == (100, None)


async def test_unknown_names_are_refused_in_writing(s: Any) -> None:
    path = f"{s.comment.id}/comments"
    assert await s.code("POST", path, message="Ja", massage="Ja") == (100, None)
    assert await s.code("POST", f"{s.comment.id}/coments", message="Ja") == (100, None)
    assert await say(s, message=json.dumps({"text": "Ja", "metdata": "x"})) == (100, None)
    assert await s.code("GET", "12345") == (100, 33)


@pytest.mark.parametrize("message", ["", "   ", "x" * 8001])
async def test_comments_have_a_length(s: Any, message: str) -> None:
    assert await s.code("POST", f"{s.comment.id}/comments", message=message) == (100, None)


async def test_messages_have_a_form(s: Any) -> None:
    long, both = {"text": "x" * 2001}, {"text": "x", "attachment": {"type": "image"}}
    for message in (long, both, {}):
        assert await say(s, message=json.dumps(message)) == (100, None)
    lost = {"attachment": {"type": "image", "payload": {}}}
    assert await say(s, message=json.dumps(lost)) == (100, 2018047)
    assert await say(s, messaging_type="ANSWER") == (100, None)
    assert await say(s, recipient="Jonas") == (100, None)


async def test_windows_and_tags(s: Any) -> None:
    human = {"messaging_type": "MESSAGE_TAG", "tag": "HUMAN_AGENT"}
    removed = {"messaging_type": "MESSAGE_TAG", "tag": "ACCOUNT_UPDATE"}
    s.clock.advance(timedelta(hours=24, minutes=1))
    assert await say(s) == (10, 2018278)
    assert await say(s, **removed) == (100, None)
    s.sim.human_agent = False
    assert await say(s, **human) == (10, None)
    s.sim.human_agent = True
    s.clock.advance(timedelta(days=6))
    assert await say(s, **human) == (10, 2018278)


async def test_who_cannot_be_reached(s: Any) -> None:
    assert await say(s, recipient='{"id": "1"}') == (100, 2018001)
    s.sim.unavailable("Jonas Weber")
    assert await say(s) == (551, 1545041)


async def test_private_replies(s: Any) -> None:
    to_comment = json.dumps({"comment_id": s.comment.id})
    assert await say(s, recipient='{"comment_id": "1"}') == (100, 2018292)
    s.clock.advance(timedelta(days=7, minutes=1))
    assert await say(s, recipient=to_comment) == (100, 2534025)
    fresh = s.sim.comment(s.post, "Ole Brandt", "Hallo?")
    await s.page.reply(s.outgoing("private_reply", fresh, "Hier."))
    assert await say(s, recipient=json.dumps({"comment_id": fresh.id})) == (100, 2534025)
    # The private reply opens no window: that takes an answer.
    assert await say(s, recipient=json.dumps({"id": fresh.author.id})) == (10, 2018278)


async def test_only_the_author_edits(s: Any) -> None:
    assert await s.code("POST", s.comment.id, message="Anders") == (200, None)


async def test_nobody_hides_the_pages_own_comment(s: Any) -> None:
    own = s.sim.native_reply(s.comment, "Ja")
    assert await s.code("POST", own.id, is_hidden="true") == (200, None)
    assert own.hidden is False
    assert await s.call("POST", s.comment.id, is_hidden="true") == (200, {"success": True})


async def test_the_page_does_not_post_the_same_twice_in_a_row(s: Any) -> None:
    feed = f"{s.sim.account}/feed"
    assert await s.code("POST", feed, message=s.post.text) == (506, None)
    assert (await s.call("POST", feed, message="Heute bis acht."))[0] == 200
    assert (await s.call("POST", feed, message=s.post.text))[0] == 200


# reading back


async def test_what_was_written_is_read(s: Any) -> None:
    (own,) = (await s.page.reply(s.answer(s.comment))).ids
    path = f"{s.comment.id}/comments"
    _, answer = await s.call("GET", path, fields="id,from{id},parent{id}")
    expected = {"id": own, "from": {"id": s.sim.account}, "parent": {"id": s.comment.id}}
    assert answer["data"] == [expected]


async def test_pages_have_cursors_and_a_next_with_the_token(s: Any) -> None:
    for number in range(3):
        s.sim.visitor_post("Ole Brandt", f"Nr. {number}")
    seen, after = [], None
    while True:
        params = {"limit": "2", **({"after": after} if after else {})}
        _, answer = await s.call("GET", f"{s.sim.account}/feed", fields="id", **params)
        seen += [one["id"] for one in answer["data"]]
        if "next" not in answer["paging"]:
            break
        assert s.sim.access_token in answer["paging"]["next"]
        after = answer["paging"]["cursors"]["after"]
    assert len(seen) == len(set(seen)) == 4


async def test_only_the_latest_messages_have_details(s: Any) -> None:
    for number in range(24):
        s.sim.direct_message("Jonas Weber", f"Nr. {number}")
    params = {"fields": "messages.limit(25){id,message}"}
    _, answer = await s.call("GET", f"{s.sim.account}/conversations", **params)
    messages = answer["data"][0]["messages"]["data"]
    assert len([one for one in messages if "message" in one]) == 20
    assert len(messages) == 25


@pytest.mark.parametrize(
    ("name", "kind", "head"),
    [
        ("photo.jpg", "image/jpeg", b"\xff\xd8\xff"),
        ("picture.png", "image/png", b"\x89PNG"),
        ("film.mp4", "video/mp4", b"\x00\x00\x00\x18ftypisom"),
    ],
)
async def test_media_are_served(s: Any, name: str, kind: str, head: bytes) -> None:
    answer = await s.page.http.get(s.sim.media(name))
    assert answer.headers["content-type"] == kind
    assert answer.content.startswith(head)
    assert (await s.page.http.get(s.sim.media("none.jpg"))).status_code == 404


# faults


async def test_a_fault_strikes_as_often_as_told(s: Any) -> None:
    s.sim.fault("error_before_accept", on="POST /comments", times=2)
    statuses = []
    for _ in range(3):
        url = f"{s.sim.base_url}/v26.0/{s.comment.id}/comments"
        statuses.append((await s.page.http.post(url)).status_code)
    assert statuses == [502, 502, 401]
    names = [(one.fault, one.answer is None) for one in s.sim.sent]
    assert names == [("error_before_accept", True)] * 2 + [(None, False)]


@pytest.mark.parametrize(
    ("fault", "error", "accepted"),
    [
        ("timeout_before_accept", httpx.ReadTimeout, False),
        ("timeout_after_accept", httpx.ReadTimeout, True),
        ("close_before_accept", httpx.RemoteProtocolError, False),
        ("close_after_accept", httpx.RemoteProtocolError, True),
    ],
)
async def test_faults_on_the_wire(
    s: Any, fault: Any, error: type[Exception], *, accepted: bool
) -> None:
    s.sim.fault(fault, on="POST /comments")
    before = len(s.sim.world.comments)
    with s.impatient(), pytest.raises(error):
        await s.call("POST", f"{s.comment.id}/comments", message="Ja")
    assert (len(s.sim.world.comments) > before) is accepted


async def test_who_hangs_ends_with_the_server(s: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "GRACE", 0.01)
    arrived, ended = asyncio.Event(), asyncio.Event()

    async def hang(scope: Any, receive_: Any, send: Any) -> None:
        arrived.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with serve(hang) as url:
        asked = asyncio.create_task(s.page.http.get(url))
        await arrived.wait()
    assert ended.is_set()
    assert (await asked).status_code == 500
    with pytest.raises(httpx.ConnectError):
        await s.page.http.get(url)
