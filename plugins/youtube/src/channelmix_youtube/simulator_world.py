"""What there is on the simulated YouTube: videos, comments, a chat, and a project's quota."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from attrs import define, field

from channelmix_youtube.client import PACIFIC, cost

ME = "UCstadtwerkeMusterstadt1"


class RefusedError(Exception):
    """YouTube's answer to what it does not do."""

    def __init__(self, status: int, reason: str, message: str | None = None) -> None:
        super().__init__(message or reason)
        self.status = status
        self.reason = reason

    def body(self) -> dict[str, Any]:
        """Return the body of the answer, as YouTube's page "Errors" has it."""
        one = {"domain": "youtube", "reason": self.reason, "message": str(self)}
        return {"error": {"code": self.status, "message": str(self), "errors": [one]}}


@define(kw_only=True)
class Project:
    """A project at Google: its quota is one for all its channels."""

    quota: int = 10_000
    searches: int = 100
    used: dict[date, int] = field(factory=dict)
    searched: dict[date, int] = field(factory=dict)

    def pay(self, method: str, path: str, now: datetime) -> None:
        """Take what a call costs from the day's quota. Raises: `RefusedError`."""
        day = now.astimezone(PACIFIC).date()
        if path == "search":
            if self.searched.get(day, 0) >= self.searches:
                raise RefusedError(403, "quotaExceeded", "The search quota is used up.")
            self.searched[day] = self.searched.get(day, 0) + 1
            return
        units = cost(method, path)
        if self.used.get(day, 0) + units > self.quota:
            raise RefusedError(403, "quotaExceeded", "The quota is used up.")
        self.used[day] = self.used.get(day, 0) + units


@define(kw_only=True, eq=False)
class Comment:
    """A comment, on top of a thread or below."""

    id: str
    video: str
    author: str
    name: str
    text: str
    published: datetime
    updated: datetime
    status: str = "published"
    image: str | None = None
    top: Comment | None = None
    replies: list[Comment] = field(factory=list)
    likes: int = 0


@define(kw_only=True, eq=False)
class Video:
    """A video; `chat` while it is live."""

    id: str
    owner: str
    title: str
    published: datetime
    description: str = ""
    chat: str | None = None
    comments_off: bool = False
    privacy: str = "public"
    """Or `unlisted`, `private`."""
    language: str | None = None
    """What is spoken."""
    tags: list[str] = field(factory=list)


@define(kw_only=True, eq=False)
class Said:
    """A message of a live chat, or that one was removed."""

    id: str
    chat: str
    author: str
    name: str
    text: str | None
    at: datetime
    removes: str | None = None


@define(kw_only=True)
class World:
    """Everything there is."""

    videos: dict[str, Video] = field(factory=dict)
    comments: dict[str, Comment] = field(factory=dict)
    chats: dict[str, list[Said]] = field(factory=dict)
    banned: set[str] = field(factory=set)
    _number: int = 0

    def number(self) -> int:
        """Return a number that was not there before."""
        self._number += 1
        return self._number

    def threads(self, owner: str, status: str) -> Iterator[Comment]:
        """Give the comments on top below the videos of a channel, newest first.

        A list of what is held or taken for spam has threads in which only a reply is, too.
        """
        mine = {one.id for one in self.videos.values() if one.owner == owner}
        found = [
            one
            for one in self.comments.values()
            if one.top is None
            and one.video in mine
            and (one.status == status or (status != "published" and replies_of(one, status)))
        ]
        yield from sorted(found, key=lambda one: (one.published, one.id), reverse=True)


def replies_of(one: Comment, status: str) -> list[Comment]:
    """Return the replies of a thread that have a status."""
    return [reply for reply in one.replies if reply.status == status]


def show_comment(one: Comment, *, me: str, plain: bool, by_id: bool = False) -> dict[str, Any]:
    """Show a comment as the owner of the channel sees it, with our own words.

    Its status as well, but never if it was asked for by its id.
    """
    snippet: dict[str, Any] = {
        "channelId": me,
        "videoId": one.video,
        "textDisplay": one.text if plain else _html(one.text),
        "authorDisplayName": one.name,
        "authorChannelId": {"value": one.author},
        "canRate": True,
        "viewerRating": "none",
        "likeCount": one.likes,
        "publishedAt": stamp(one.published),
        "updatedAt": stamp(one.updated),
    }
    if one.author == me:
        snippet["textOriginal"] = one.text
    if one.top is not None:
        snippet["parentId"] = one.top.id
    if one.image:
        snippet["imageUrl"] = one.image
    if not by_id:
        snippet["moderationStatus"] = one.status
    return {"kind": "youtube#comment", "etag": etag(one), "id": one.id, "snippet": snippet}


SHOWN = 5
"""How many replies a thread shows by itself."""


def show_thread(
    one: Comment,
    *,
    me: str,
    plain: bool,
    replies: bool = False,
    status: str = "published",
    by_id: bool = False,
) -> dict[str, Any]:
    """Show a thread with some of its replies, of those that have the status asked for."""
    public, found = len(replies_of(one, "published")), replies_of(one, status)
    thread: dict[str, Any] = {
        "kind": "youtube#commentThread",
        "etag": f"{etag(one)}-{public}",
        "id": one.id,
        "snippet": {
            "channelId": me,
            "videoId": one.video,
            "topLevelComment": show_comment(one, me=me, plain=plain, by_id=by_id),
            "canReply": True,
            "totalReplyCount": public,
            "isPublic": one.status == "published",
        },
    }
    if replies and found:
        shown = [show_comment(reply, me=me, plain=plain) for reply in found[:SHOWN]]
        thread["replies"] = {"comments": shown}
    return thread


def show_video(one: Video, kind: str, parts: Sequence[str] = ("snippet",)) -> dict[str, Any]:
    """Show a video as an item of some kind of list; `parts` are those of a video itself."""
    snippet: dict[str, Any] = {
        "publishedAt": stamp(one.published),
        "channelId": one.owner,
        "title": one.title,
        "description": one.description,
        "channelTitle": f"Channel {one.owner[-4:]}",
        "thumbnails": {
            "default": {"url": f"https://i.ytimg.com/vi/{one.id}/default.jpg", "width": 120},
            "medium": {"url": f"https://i.ytimg.com/vi/{one.id}/mq.jpg", "width": 320},
            "high": {"url": f"https://i.ytimg.com/vi/{one.id}/hq.jpg", "width": 480},
        },
        "liveBroadcastContent": "live" if one.chat else "none",
    }
    shown: dict[str, Any] = {
        "kind": f"youtube#{kind}",
        "etag": f"{one.id}-{one.title}",
        "id": one.id,
    }
    if kind == "playlistItem":
        shown["id"] = f"item-{one.id}"
        snippet["resourceId"] = {"kind": "youtube#video", "videoId": one.id}
        snippet["videoOwnerChannelId"] = one.owner
        shown["contentDetails"] = {"videoId": one.id, "videoPublishedAt": stamp(one.published)}
    elif kind == "searchResult":
        shown["id"] = {"kind": "youtube#video", "videoId": one.id}
    elif kind == "liveBroadcast":
        snippet["liveChatId"] = one.chat
    else:
        live = {"activeLiveChatId": one.chat, "actualStartTime": stamp(one.published)}
        if one.tags:
            snippet["tags"] = one.tags
        if one.language:
            snippet["defaultAudioLanguage"] = one.language
        of_parts = {
            "snippet": snippet,
            "status": {"uploadStatus": "processed", "privacyStatus": one.privacy},
            "liveStreamingDetails": live if one.chat else {},
        }
        return shown | {part: of_parts[part] for part in parts}
    return {**shown, "snippet": snippet}


def show_said(one: Said, *, me: str) -> dict[str, Any]:
    """Show a message of a chat."""
    kind = "messageDeletedEvent" if one.removes else "textMessageEvent"
    snippet: dict[str, Any] = {
        "type": kind,
        "liveChatId": one.chat,
        "authorChannelId": one.author,
        "publishedAt": stamp(one.at),
        "hasDisplayContent": one.text is not None,
    }
    if one.removes:
        snippet["messageDeletedDetails"] = {"deletedMessageId": one.removes}
    else:
        snippet["displayMessage"] = one.text
        snippet["textMessageDetails"] = {"messageText": one.text}
    author = {"channelId": one.author, "displayName": one.name, "isChatOwner": one.author == me}
    return {
        "kind": "youtube#liveChatMessage",
        "etag": one.id,
        "id": one.id,
        "snippet": snippet,
        "authorDetails": author,
    }


def stamp(time: datetime) -> str:
    """Return a time as YouTube writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def etag(one: Comment) -> str:
    """Return what changes when a comment does."""
    return f"{one.id}-{int(one.updated.timestamp())}-{one.status}"


def soon(before: datetime) -> datetime:
    """Return a moment later: times have whole seconds."""
    return before + timedelta(seconds=1)


def _html(text: str) -> str:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return escaped.replace("'", "&#39;").replace("\n", "<br>")
