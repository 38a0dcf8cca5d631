"""How a simulated X writes what it holds: in the fields that were asked for, with `includes`."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping
from typing import Any

from channelmix_twitter.simulator_world import Direct, Medium, Post, User, World, stamp

DEFAULT_POST = frozenset({"id", "text", "edit_history_tweet_ids"})
DEFAULT_USER = frozenset({"id", "name", "username"})
DEFAULT_MEDIA = frozenset({"media_key", "type"})
DEFAULT_DIRECT = frozenset({"id", "text", "event_type"})
Fields = frozenset[str]
ALL: Mapping[str, Fields] = {
    "tweet.fields": frozenset(
        [
            "attachments",
            "author_id",
            "conversation_id",
            "created_at",
            "display_text_range",
            "edit_history_tweet_ids",
            "entities",
            "id",
            "in_reply_to_user_id",
            "lang",
            "note_tweet",
            "referenced_tweets",
            "reply_settings",
            "text",
        ]
    ),
    "user.fields": frozenset(["id", "name", "protected", "username"]),
    "media.fields": frozenset(
        {
            "alt_text",
            "media_key",
            "preview_image_url",
            "type",
            "url",
            "variants",
        }
    ),
    "expansions": frozenset(
        [
            "attachments.media_keys",
            "author_id",
            "referenced_tweets.id",
            "referenced_tweets.id.author_id",
            "sender_id",
        ]
    ),
    "dm_event.fields": frozenset(
        [
            "attachments",
            "created_at",
            "dm_conversation_id",
            "entities",
            "event_type",
            "id",
            "referenced_tweets",
            "sender_id",
            "text",
        ]
    ),
}
"""What may be asked for."""


def post(one: Post, world: World, fields: Fields) -> dict[str, Any]:
    """Write a post as API v2 does."""
    text, urls = _shortened(one.whole)
    whole = {
        "id": one.id,
        "text": html.escape(text, quote=False),
        "edit_history_tweet_ids": one.history,
        "author_id": one.author.id,
        "conversation_id": one.conversation,
        "created_at": stamp(one.created),
        "display_text_range": [len(one.prefix), len(text)],
        "entities": _entities(one, urls),
        "in_reply_to_user_id": _answered(one, world),
        "lang": "und",
        "referenced_tweets": _references(one),
        "reply_settings": one.reply_settings,
        "attachments": {"media_keys": [world.media[key].key for key in one.media]},
    }
    asked = {name: value for name, value in whole.items() if name in fields | DEFAULT_POST}
    if not one.media:
        asked.pop("attachments", None)
    return {name: value for name, value in asked.items() if value not in (None, [], {})}


def _answered(one: Post, world: World) -> str | None:
    above = world.posts.get(one.replied_to or "")
    return above.author.id if above else None


def _references(one: Post) -> list[dict[str, str]]:
    told = {"replied_to": one.replied_to, "quoted": one.quoted, "retweeted": one.retweeted}
    return [{"type": kind, "id": found} for kind, found in told.items() if found]


def _shortened(text: str) -> tuple[str, list[dict[str, Any]]]:
    """Put X's own short links in the place of all others."""
    urls: list[dict[str, Any]] = []

    def short(found: re.Match[str]) -> str:
        urls.append({"url": f"https://t.co/x{len(urls):09d}", "expanded_url": found[0]})
        return str(urls[-1]["url"])

    return re.sub(r"https?://\S+", short, text), urls


def _entities(one: Post, urls: list[dict[str, Any]]) -> dict[str, Any]:
    mentions = [{"username": user.username, "id": user.id} for user in one.mentions]
    return {name: told for name, told in (("mentions", mentions), ("urls", urls)) if told}


def user(one: User, fields: Fields) -> dict[str, Any]:
    """Write a user as API v2 does."""
    whole = {
        "id": one.id,
        "name": one.name,
        "username": one.username,
        "protected": one.protected,
    }
    return {name: value for name, value in whole.items() if name in fields | DEFAULT_USER}


def private(direct: Direct, key: str, base: str) -> str:
    """Return the address of a photo in a direct message, which only its readers may ask for."""
    return f"{base}/1.1/ton/data/dm/{direct.id}/{key}/photo.png"


def medium(one: Medium, fields: Fields, url: str) -> dict[str, Any]:
    """Write a photo or a film as API v2 does."""
    if one.mime.startswith("video"):
        films = [{"bit_rate": 832000, "content_type": one.mime, "url": url}]
        whole: dict[str, Any] = {"type": "video", "variants": films}
    else:
        whole = {"type": "photo", "url": url}
    whole["media_key"] = one.key
    return {name: value for name, value in whole.items() if name in fields | DEFAULT_MEDIA}


def direct(one: Direct, world: World, fields: Fields) -> dict[str, Any]:
    """Write a direct message as API v2 does."""
    whole = {
        "id": one.id,
        "event_type": "MessageCreate",
        "text": one.text or "",
        "sender_id": one.sender.id,
        "dm_conversation_id": one.conversation,
        "created_at": stamp(one.created),
        "attachments": {"media_keys": [world.media[key].key for key in one.media]},
    }
    if not one.media:
        del whole["attachments"]
    return {name: value for name, value in whole.items() if name in fields | DEFAULT_DIRECT}


def legacy(one: Direct, recipient: User, base: str) -> dict[str, Any]:
    """Write a direct message as webhooks do: in the form of the older API."""
    data: dict[str, Any] = {"text": one.text or "", "entities": {"urls": []}}
    for key in one.media[:1]:
        url = private(one, key, base)
        media = {"id_str": key, "type": "photo", "media_url_https": url, "media_url": url}
        data["attachment"] = {"type": "media", "media": media}
    event = {
        "type": "message_create",
        "id": one.id,
        "created_timestamp": str(int(one.created.timestamp() * 1000)),
        "message_create": {
            "target": {"recipient_id": recipient.id},
            "sender_id": one.sender.id,
            "message_data": data,
        },
    }
    fields = frozenset({"protected"})
    people = {each.id: {"data": user(each, fields)} for each in (one.sender, recipient)}
    return {"direct_message_events": [event], "users": people}


def includes(
    posts: Iterable[Post], world: World, asked: Mapping[str, Fields], base: str
) -> dict[str, Any]:
    """Return what the expansions of a list of posts bring."""
    shown = list(posts)
    expand = asked["expansions"]
    told: dict[str, Any] = {}
    others: list[Post] = []
    if "referenced_tweets.id" in expand:
        ids = [one for each in shown for one in (each.replied_to, each.quoted) if one]
        others = [world.posts[one] for one in dict.fromkeys(ids) if one in world.posts]
        told["tweets"] = [post(one, world, asked["tweet.fields"]) for one in others]
    people = [each.author for each in shown] if "author_id" in expand else []
    if "referenced_tweets.id.author_id" in expand:
        people += [each.author for each in others]
    told["users"] = [
        user(world.users[one], asked["user.fields"])
        for one in dict.fromkeys(each.id for each in people)
    ]
    if "attachments.media_keys" in expand:
        keys = dict.fromkeys(one for each in shown for one in each.media)
        fields = asked["media.fields"]
        told["media"] = [medium(world.media[one], fields, f"{base}/media/{one}") for one in keys]
    return {name: value for name, value in told.items() if value}


def errors(posts: Iterable[Post], world: World, asked: Mapping[str, Fields]) -> list[Any]:
    """Return what X says beside the data: of posts that are gone, or not for our eyes."""
    if "referenced_tweets.id" not in asked["expansions"]:
        return []
    ids = [one for each in posts for one in (each.replied_to, each.quoted) if one]
    return [missing(one) for one in dict.fromkeys(ids) if one not in world.posts]


def missing(found: str) -> dict[str, Any]:
    """Return the problem of a post that is not there."""
    return {
        "value": found,
        "resource_id": found,
        "resource_type": "tweet",
        "parameter": "ids",
        "title": "Not Found Error",
        "detail": f"Could not find tweet with ids: [{found}].",
        "type": "https://api.twitter.com/2/problems/resource-not-found",
    }
