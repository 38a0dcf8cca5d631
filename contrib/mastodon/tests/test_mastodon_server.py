"""The simulated server refuses what Mastodon would refuse, and looks as it is documented."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from channelmix.records import Kind
from channelmix.testing.simulator import NO_TRUST

STATUSES = "/api/v1/statuses"
PNG = ("a.png", b"\x89", "image/png")
FILM = ("a.mp4", b"\x00", "video/mp4")

# What the pages of the entities list, without what is optional there.
STATUS = (
    "id uri created_at account content visibility sensitive spoiler_text media_attachments "
    "mentions tags emojis reblogs_count favourites_count replies_count quotes_count url "
    "in_reply_to_id in_reply_to_account_id reblog poll card language edited_at quote "
    "favourited reblogged muted bookmarked filtered"
)
ACCOUNT = (
    "id username acct url display_name note avatar avatar_static header header_static locked "
    "fields emojis bot group discoverable created_at last_status_at statuses_count "
    "followers_count following_count"
)
NOTIFICATION = "id type group_key created_at account"
MEDIUM = "id type url preview_url remote_url meta description blurhash"
MENTION = "id username url acct"


@pytest.fixture
async def api(at: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Call the server as anybody could, as our account."""
    bearer = {"authorization": f"Bearer {at.server.gate.token}"}
    base = at.server.base_url
    async with httpx.AsyncClient(base_url=base, headers=bearer, verify=NO_TRUST) as http:
        yield http


async def say(api: httpx.AsyncClient, text: str = "Hello", **more: Any) -> httpx.Response:
    headers = {"idempotency-key": key} if (key := more.pop("key", None)) else {}
    return await api.post(STATUSES, json={"status": text, **more}, headers=headers)


def refused(answer: httpx.Response, status: int, words: str) -> bool:
    return (answer.status_code, answer.json()["error"]) == (status, words)


# --- what a post may be -------------------------------------------------------------------------


async def test_a_text_has_500_characters_by_the_servers_count(api: Any) -> None:
    link, name = "https://a.example/" + "x" * 90, "@mira@kunden.example"
    assert (await say(api, "x" * 500)).status_code == 200
    assert (await say(api, f"{'x' * 470} {link} {name}")).status_code == 200
    words = "Validation failed: Text character limit of 500 exceeded"
    assert refused(await say(api, "x" * 501), 422, words)
    assert refused(await say(api, f"{'x' * 471} {link} {name}"), 422, words)


@pytest.mark.parametrize(
    ("said", "status", "words"),
    [
        ({"text": " "}, 422, "Validation failed: Text can't be blank"),
        ({"visibility": "all"}, 422, "Validation failed: Visibility is not included in the list"),
        ({"media_ids": list("12345")}, 422, "Cannot attach more than 4 files"),
        (
            {"media_ids": ["1"]},
            422,
            "Media 1 not found or already attached to another post",
        ),
        (
            {"in_reply_to_id": "1"},
            404,
            "The post you are trying to reply to does not appear to exist.",
        ),
    ],
)
async def test_what_is_no_post_is_refused(api: Any, said: Any, status: int, words: str) -> None:
    assert refused(await say(api, **said), status, words)


async def test_files_are_processed_used_once_and_not_mixed(api: Any) -> None:
    async def upload(file: Any) -> Any:
        return await api.post("/api/v2/media", files={"file": file})

    picture, film = await upload(PNG), await upload(FILM)
    assert (picture.status_code, film.status_code, film.json()["url"]) == (200, 202, None)
    ids = [one.json()["id"] for one in (picture, film)]
    mixed = "Cannot attach a video to a post that already contains images"
    assert refused(await say(api, media_ids=ids), 422, mixed)
    early = "Cannot attach files that have not finished processing. Try again in a moment!"
    assert refused(await say(api, media_ids=ids[1:]), 422, early)
    states = [(await api.get(f"/api/v1/media/{ids[1]}")).status_code for _ in range(2)]
    assert states == [206, 200]
    assert (await say(api, media_ids=ids[1:])).status_code == 200
    again = f"Media {ids[1]} not found or already attached to another post"
    assert refused(await say(api, media_ids=ids[1:]), 422, again)
    wrong = "Validation failed: File content type is invalid, File is invalid"
    assert refused(await upload(("a.exe", b"MZ", "application/x-msdownload")), 422, wrong)


# --- who may do what ----------------------------------------------------------------------------


@pytest.mark.parametrize("header", ["", "Bearer another"])
async def test_without_a_token_that_holds_nothing_is_said(api: Any, header: str) -> None:
    for path in ("/api/v1/notifications", STATUSES, "/api/v1/accounts/verify_credentials"):
        answer = await api.get(path, headers={"authorization": header})
        assert refused(answer, 401, "The access token is invalid")


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/api/v1/accounts/verify_credentials", "read:accounts"),
        ("GET", "/api/v1/notifications", "read:notifications"),
        ("GET", "/api/v1/accounts/14715/statuses", "read:statuses"),
        ("GET", "/api/v1/statuses?id[]=1", "read:statuses"),
        ("GET", "/api/v1/statuses/1/context", "read:statuses"),
        ("POST", "/api/v2/media", "write:media"),
        ("POST", "/api/v1/statuses", "write:statuses"),
        ("PUT", "/api/v1/statuses/1", "write:statuses"),
        ("DELETE", "/api/v1/statuses/1", "write:statuses"),
    ],
)
async def test_each_call_needs_its_permission(
    at: Any, api: Any, method: str, path: str, scope: str
) -> None:
    body = {"json": {"status": ""}} if path == STATUSES and method == "POST" else {}
    at.server.gate.scopes = "profile"
    answer = await api.request(method, path, **body)
    assert refused(answer, 403, "This action is outside the authorized scopes")
    for enough in (scope, scope.partition(":")[0]):
        at.server.gate.scopes = enough
        assert (await api.request(method, path, **body)).status_code != 403


async def test_what_is_not_there_or_not_ours_is_not_found(at: Any, api: Any) -> None:
    theirs = f"{STATUSES}/{at.server.customer(Kind.MENTION, 'mine')}"
    for answer in (
        await api.get(f"{STATUSES}/1"),
        await api.get(f"{STATUSES}/1/context"),
        await api.get(f"{STATUSES}/1/source"),
        await api.put(theirs, json={"status": "ours"}),
        await api.delete(theirs),
        await api.get("/api/v1/media/1"),
    ):
        assert refused(answer, 404, "Record not found")
    assert (await api.get("/api/v1/nothing")).status_code == 404


# --- how often ----------------------------------------------------------------------------------


async def test_the_three_hundred_and_first_call_waits_for_the_next_five_minutes(
    at: Any, api: Any
) -> None:
    at.server.gate.spend(299)
    last = await api.get(f"{STATUSES}/1")
    told = {name: last.headers[f"x-ratelimit-{name}"] for name in ("limit", "remaining", "reset")}
    reset = "2026-11-03T09:05:00.000000+00:00"
    assert told == {"limit": "300", "remaining": "0", "reset": reset}
    assert refused(await api.get(f"{STATUSES}/1"), 429, "Too many requests")
    at.clock.advance(timedelta(minutes=5))
    assert (await api.get(f"{STATUSES}/1")).headers["x-ratelimit-remaining"] == "299"


async def test_uploads_and_deletions_are_thirty_in_half_an_hour(at: Any, api: Any) -> None:
    for _ in range(30):
        assert (await api.post("/api/v2/media", files={"file": PNG})).status_code == 200
        await api.delete(f"{STATUSES}/1")
    upload = await api.post("/api/v2/media", files={"file": PNG})
    deletion = await api.delete(f"{STATUSES}/1")
    assert refused(upload, 429, "Too many requests")
    assert refused(deletion, 429, "Too many requests")
    assert upload.headers["x-ratelimit-limit"] == "30"
    assert upload.headers["x-ratelimit-reset"] == "2026-11-03T09:30:00.000000+00:00"
    assert (await api.get("/api/v1/notifications")).headers["x-ratelimit-limit"] == "300"


# --- once, and all of it ------------------------------------------------------------------------


async def test_the_same_key_brings_the_same_post_for_an_hour(at: Any, api: Any) -> None:
    first, again = await say(api, key="k"), await say(api, "Other words", key="k")
    assert first.json() == again.json()
    assert (await say(api, key="another")).json()["id"] != first.json()["id"]
    at.clock.advance(timedelta(hours=1))
    later = await say(api, key="k")
    assert later.json()["id"] != first.json()["id"]
    await api.delete(f"{STATUSES}/{later.json()['id']}")
    assert refused(await say(api, key="k"), 404, "Record not found")


async def walk(api: Any, answer: httpx.Response, way: str) -> list[list[str]]:
    """Follow the links of a list to its end."""
    pages = [[one["id"] for one in answer.json()]]
    while way in answer.links:
        answer = await api.get(answer.links[way]["url"])
        pages.append([one["id"] for one in answer.json()])
    return pages


async def test_links_lead_through_a_list_both_ways(at: Any, api: Any) -> None:
    for number in range(7):
        at.server.customer(Kind.MENTION, f"number {number}")
        at.server.notify("favourite", None)
    path = "/api/v1/notifications?types[]=mention&types[]=quote&limit=3"
    down = await walk(api, await api.get(path), "next")
    assert [len(one) for one in down] == [3, 3, 1]
    ids = [one for page in down for one in page]
    assert ids == sorted(set(ids), key=int, reverse=True)
    up = await walk(api, await api.get(f"{path}&max_id={ids[-2]}"), "prev")
    assert [one for page in up[::-1] for one in page] == ids
    newest = await api.get(f"{path}&since_id={ids[-1]}")
    next_up = await api.get(f"{path}&min_id={ids[-1]}")
    assert [one["id"] for one in newest.json()] == ids[:3]
    assert [one["id"] for one in next_up.json()] == ids[3:6]


async def test_no_page_is_larger_than_the_largest(at: Any, api: Any) -> None:
    for number in range(90):
        at.server.customer(Kind.MENTION, f"number {number}")
        at.server.post(at.server.us, f"number {number}")
    sizes = {
        path: len((await api.get(path)).json())
        for path in (
            "/api/v1/notifications",
            "/api/v1/notifications?limit=999",
            "/api/v1/accounts/14715/statuses",
            "/api/v1/accounts/14715/statuses?limit=999",
        )
    }
    assert list(sizes.values()) == [40, 80, 20, 40]
    asked = [("id[]", one) for one in list(at.server.statuses)[:21]]
    assert len((await api.get(STATUSES, params=asked[:20])).json()) == 20
    assert (await api.get(STATUSES, params=asked)).status_code == 422


# --- as it is documented ------------------------------------------------------------------------


def lacking(item: Any) -> list[str]:
    """Name what an item has not that its documentation lists, wherever it is in it."""
    if isinstance(item, list):
        return [line for one in item for line in lacking(one)]
    if not isinstance(item, dict):
        return []
    forms = {"content": STATUS, "display_name": ACCOUNT, "blurhash": MEDIUM, "type": NOTIFICATION}
    form = next((forms[name] for name in forms if name in item), "")
    if set(item) == set(MENTION.split()):
        form = MENTION
    lines = [f"{form[:20]}…: {name}" for name in form.split() if name not in item]
    return lines + lacking(list(item.values()))


async def test_what_the_server_shows_has_all_that_is_documented(at: Any, api: Any) -> None:
    medium = (await api.post("/api/v2/media", files={"file": PNG})).json()
    above = at.server.customer(Kind.COMMENT, "Is it cold?")
    text = f"@{at.server.them['acct']} Yes."
    said = await say(api, text, in_reply_to_id=above, media_ids=[medium["id"]])
    shown = [said.json(), *(await api.get("/api/v1/notifications")).json()]
    assert {"mentions", "media_attachments", "account"} <= set(shown[0])
    assert lacking([medium, *shown]) == []
    assert shown[1]["created_at"] == "2026-11-03T09:00:00.000Z"


@pytest.mark.parametrize("name", ["mentions", "own", "others", "changes"])
def test_the_fixtures_have_all_that_is_documented(name: str) -> None:
    found = json.loads((Path(__file__).parent / f"fixtures/{name}.json").read_bytes())
    assert found
    assert lacking(found) == []
