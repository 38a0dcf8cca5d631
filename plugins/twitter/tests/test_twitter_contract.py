"""Requests held against X's official contract, where it lies beside this repository.

Whatever any test of this plugin sends is checked as it ends (see `conftest.py`); here is that the
check sees mistakes, and that everything the plugin can ask for is among it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from channelmix.records import Action, Attachment, AttachmentKind, Poll
from channelmix.testing.simulator import Request

AUTHORIZED = {"authorization": "Bearer invented"}
EVERYTHING = {
    "GET /2/users/me",
    "GET /2/users/{id}/mentions",
    "GET /2/users/{id}/tweets",
    "GET /2/tweets/search/recent",
    "GET /2/tweets",
    "POST /2/tweets",
    "DELETE /2/tweets/{id}",
    "PUT /2/tweets/{id}/hidden",
    "GET /2/dm_events",
    "GET /2/dm_conversations/{id}/dm_events",
    "GET /2/dm_conversations/with/{id}/dm_events",
    "POST /2/dm_conversations/{id}/messages",
    "POST /2/dm_conversations/with/{id}/messages",
    "POST /2/media/upload/initialize",
    "POST /2/media/upload/{id}/append",
    "POST /2/media/upload/{id}/finalize",
    "GET /2/media/upload",
}
"""What the plugin asks for in an account's name; test_twitter_push.py has the webhook's calls."""


def request(method: str, path: str, body: Any = None, **query: str) -> Request:
    headers = {**AUTHORIZED, "content-type": "application/json"}
    content = json.dumps(body).encode() if body is not None else b""
    return Request(method=method, path=path, query=query, headers=headers, body=content)


RIGHT = request("GET", "/2/users/12/mentions", max_results="5", since_id="7")
POST = request("POST", "/2/tweets", {"text": "a", "reply": {"in_reply_to_tweet_id": "7"}})


def test_right_requests_are_valid(wrong: Any) -> None:
    assert list(wrong(RIGHT)) == []
    assert list(wrong(POST)) == []


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (evolve(RIGHT, query={"max_result": "5"}), "no query parameter max_result"),
        (evolve(RIGHT, query={"max_results": "1000"}), "Invalid query parameter"),
        (evolve(RIGHT, query={"tweet.fields": "id,txt"}), "Invalid query parameter"),
        (evolve(RIGHT, query={"since_id": "7x"}), "Invalid query parameter"),
        (evolve(RIGHT, path="/2/users/12/mention"), "Path not found"),
        (evolve(RIGHT, path="/2/users/me/mentions"), "Invalid path parameter"),
        (evolve(RIGHT, method="POST"), "Operation post not found"),
        (evolve(POST, body=b'{"txt": "a"}'), "Request body validation error"),
        (evolve(POST, body=b'{"text": "a", "reply": {"id": "7"}}'), "Request body"),
        (evolve(POST, body=b'{"text": 7}'), "Request body"),
        (request("PUT", "/2/tweets/7/hidden", {"hide": True}), "Request body"),
    ],
)
def test_the_check_refuses_what_is_wrong(wrong: Any, broken: Request, why: str) -> None:
    [found] = wrong(broken)
    assert why in found


async def everything(s: Any, tmp_path: Path) -> None:
    """Let the plugin make every kind of call that it can make in an account's name."""
    photo, film = tmp_path / "plan.png", tmp_path / "film.mp4"
    photo.write_bytes(b"x")
    film.write_bytes(b"x")
    picture = Attachment(kind=AttachmentKind.IMAGE, path=str(photo))
    movie = Attachment(kind=AttachmentKind.VIDEO, path=str(film))
    ours = s.sim.native(s.us, None, "Wir öffnen um neun.")
    below = s.sim.reply(ours, "Ole Brandt", "Erst um neun?")
    parts = [
        s.answer(s.mention, attachments=(picture,)),
        s.answer(s.mention, "Film", attachments=(movie,)),
        s.answer(s.note),
        s.answer(s.note, "", attachments=(picture,)),
        s.outgoing(Action.PRIVATE_REPLY, s.mention, "Hier."),
        s.outgoing(Action.PUBLISH, text="Neu"),
        s.outgoing(Action.HIDE, below),
        s.outgoing(Action.UNHIDE, below),
        s.outgoing(Action.DELETE, own_id=ours.id),
    ]
    s.sim.writing.slow_films = 1
    for part in parts:
        try:
            await s.x.reply(part)
        except Exception:  # noqa: BLE001 - X looks at the film; the next time it is done
            await s.x.reply(part)
        await s.x.reconcile(part)
    s.x.config = evolve(s.x.config, search=("strom", '"kein internet"'))
    for source in ("mentions", "direct", "timeline", "quotes", "search"):
        await s.x.poll(Poll(source=source))
    await s.x.poll(Poll(source="post", argument=s.mention.id))
    await s.x.poll(Poll(source="conversation", argument=f"{s.mention.id}:{s.us.id}"))
    await s.x.check(s.x.services)


@pytest.mark.slow
async def test_everything_is_asked_for_and_valid(s: Any, tmp_path: Path, wrong: Any) -> None:
    await everything(s, tmp_path)
    requests = [one.request for one in s.sim.sent]
    assert [line for one in requests for line in wrong(one)] == []
    asked = {f"{one.method} {re.sub(r'[0-9-]{4,}', '{id}', one.path)}" for one in requests}
    assert asked == EVERYTHING


async def test_the_plugin_notices_a_misspelt_field(s: Any, wrong: Any, monkeypatch: Any) -> None:
    from channelmix_twitter import polling

    s.misspelt = True
    monkeypatch.setitem(polling.POST_FIELDS, "tweet.fields", "created_at,autor_id")
    with pytest.raises(Exception, match="autor_id"):
        await s.x.poll(Poll(source="mentions"))
    [found] = wrong(s.sim.sent[-1].request)
    assert "tweet.fields" in found
