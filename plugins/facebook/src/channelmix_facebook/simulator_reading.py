"""What the simulated Graph API shows: objects, lists, paging."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from attrs import define, frozen

from channelmix_facebook.policy import PRIVATE_REPLY_WINDOW
from channelmix_facebook.simulator_fields import EDGES, Field
from channelmix_facebook.simulator_world import (
    Comment,
    Conversation,
    Note,
    Person,
    Post,
    Review,
    World,
)

DETAILED = 20
"""Of how many messages of a conversation Facebook gives details."""
DEFAULTS = frozenset({"id", "name", "message", "created_time", "updated_time", "subscribed_fields"})
"""What is shown where no `fields` are named."""


class RefusedError(Exception):
    """An error answer, with the numbers that Meta's "Error Codes" pages give."""

    def __init__(
        self,
        code: int,
        text: str,
        *,
        subcode: int | None = None,
        status: int = 400,
        transient: bool | None = None,
    ) -> None:
        super().__init__(text)
        self.transient = transient
        self.code = code
        self.subcode = subcode
        self.status = status

    def body(self) -> dict[str, Any]:
        """Return the error object."""
        graph = self.code == 100  # noqa: PLR2004 - the code that has a type of its own
        error: dict[str, Any] = {
            "message": str(self),
            "type": "GraphMethodException" if graph else "OAuthException",
            "code": self.code,
            "fbtrace_id": "ASimulatedTrace",
        }
        if self.subcode is not None:
            error["error_subcode"] = self.subcode
        if self.transient is not None:
            error["is_transient"] = self.transient
        return {"error": error}


def missing(object_id: str) -> RefusedError:
    """Refuse what does not exist, or no more."""
    return RefusedError(100, f"Object with ID '{object_id}' does not exist", subcode=33)


def stamp(moment: datetime) -> str:
    """Write a time as Graph does."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S+0000")


@frozen(kw_only=True)
class Shown:
    """Something that can be asked for: its type, its fields, and what stands behind it."""

    kind: str
    fields: Mapping[str, Any]
    thing: Any = None

    @property
    def mark(self) -> str:
        """What a paging cursor names."""
        story = self.fields.get("open_graph_story") or {}
        return str(self.fields.get("id") or story.get("id"))


@define(kw_only=True)
class Reader:
    """Reads the world at one moment."""

    world: World
    now: datetime
    link: Callable[[str, str], str]
    """Makes the `next` link of a list, from its path and the cursor."""
    subscribed: Sequence[Mapping[str, Any]] = ()

    def find(self, object_id: str) -> Shown:
        """Return an object by its id. Raises: `RefusedError` 100/33."""
        world = self.world
        if object_id == world.page.id:
            return Shown(kind="Page", fields=world.page.ref(), thing=world.page)
        if object_id in world.posts:
            return self.post(world.posts[object_id])
        if object_id in world.comments:
            return self.comment(world.comments[object_id])
        if object_id in world.people:
            return self.person(world.people[object_id])
        for conversation in world.conversations.values():
            if conversation.id == object_id:
                return self.conversation(conversation)
        if found := world.note(object_id):
            return self.note(*found)
        raise missing(object_id)

    def show(self, shown: Shown, fields: Sequence[Field]) -> dict[str, Any]:
        """Return the wanted fields of an object, and its id."""
        seen = {name: shown.fields[name] for name in ("id",) if name in shown.fields}
        for field in fields:
            value = self._field(shown, field)
            if value is not None:
                seen[field.name] = value
        return seen

    def _field(self, shown: Shown, field: Field) -> Any:
        if field.name in EDGES.get(shown.kind, {}):
            return self.page(shown, field.name, field.params, field.below or ()) or None
        value = shown.fields.get(field.name)
        if field.below is None or not isinstance(value, dict):
            return value
        return {one.name: value[one.name] for one in field.below if one.name in value}

    def page(
        self, shown: Shown, edge: str, params: Mapping[str, str], fields: Sequence[Field]
    ) -> dict[str, Any]:
        """Return one page of a list; an empty one is left out inside an object."""
        everything = _EDGES[shown.kind, edge](self, shown.thing, params)
        start = _start(everything, params.get("after"))
        size = min(int(params.get("limit", 25)), 100)
        chosen = everything[start : start + size]
        if not chosen:
            return {"data": []}
        wanted = fields or [Field(name=name) for name in sorted(DEFAULTS & {*chosen[0].fields})]
        cursors = {"before": _cursor(chosen[0].mark), "after": _cursor(chosen[-1].mark)}
        paging: dict[str, Any] = {"cursors": cursors}
        if start + size < len(everything):
            paging["next"] = self.link(f"{shown.fields['id']}/{edge}", cursors["after"])
        return {"data": [self.show(one, wanted) for one in chosen], "paging": paging}

    # objects

    def person(self, person: Person) -> Shown:
        """Show a person."""
        return Shown(kind="Profile", fields=person.ref(), thing=person)

    def post(self, post: Post) -> Shown:
        """Show a post."""
        fields = {
            "id": post.id,
            "message": post.text,
            "created_time": stamp(post.created),
            "updated_time": stamp(post.updated),
            "from": post.author.ref(),
            "permalink_url": f"https://www.facebook.com/{post.id}",
            "is_hidden": post.hidden,
            "is_published": True,
            "status_type": "added_photos" if post.photo else "mobile_status_update",
            "full_picture": post.photo,
            "can_reply_privately": self._private(post),
        }
        return Shown(kind="PagePost", fields=fields, thing=post)

    def comment(self, comment: Comment) -> Shown:
        """Show a comment."""
        fields = {
            "id": comment.id,
            "message": comment.text or "",
            "created_time": stamp(comment.created),
            "from": comment.author.ref(),
            "parent": {"id": comment.parent} if comment.parent else None,
            "object": {"id": comment.post},
            "attachment": _picture(comment.photo, comment.id),
            "is_hidden": comment.hidden,
            "permalink_url": f"https://www.facebook.com/{comment.id}",
            "can_comment": True,
            "can_hide": comment.author.id != self.world.page.id,
            "can_reply_privately": self._private(comment),
            "like_count": len(comment.likes),
            "user_likes": self.world.page.id in comment.likes,
        }
        return Shown(kind="Comment", fields=fields, thing=comment)

    def conversation(self, conversation: Conversation) -> Shown:
        """Show a conversation."""
        people = [conversation.person.ref(), self.world.page.ref()]
        fields = {
            "id": conversation.id,
            "updated_time": stamp(conversation.updated),
            "participants": {"data": people},
        }
        return Shown(kind="UnifiedThread", fields=fields, thing=conversation)

    def note(self, conversation: Conversation, note: Note) -> Shown:
        """Show a message: whole if it is one of the latest, else little more than its id."""
        fields: dict[str, Any] = {"id": note.id, "created_time": stamp(note.created)}
        if note in conversation.notes[-DETAILED:]:
            other = self.world.page if note.author == conversation.person else conversation.person
            fields["message"] = note.text or ""
            fields["from"] = note.author.ref()
            fields["to"] = {"data": [other.ref()]}
        return Shown(kind="UnifiedMessage", fields=fields, thing=note)

    def review(self, review: Review) -> Shown:
        """Show a recommendation. It has no id of its own, only its story has."""
        fields = {
            "created_time": stamp(review.created),
            "has_rating": False,
            "has_review": review.text is not None,
            "recommendation_type": "positive" if review.positive else "negative",
            "review_text": review.text,
            "reviewer": review.author.ref(),
            "open_graph_story": {"id": review.id},
        }
        return Shown(kind="Recommendation", fields=fields, thing=review)

    def _private(self, what: Post | Comment) -> bool:
        foreign = what.author.id != self.world.page.id
        return foreign and not what.replied and self.now - what.created <= PRIVATE_REPLY_WINDOW

    # lists

    def posts(self, *, tagged: bool) -> list[Shown]:
        """Show the posts on the page, or those elsewhere that name it, newest first."""
        posts = [one for one in self.world.posts.values() if one.tagged is tagged]
        return [self.post(one) for one in sorted(posts, key=_age, reverse=True)]

    def comments_below(self, thing: Post | Comment, params: Mapping[str, str]) -> list[Shown]:
        """Show the comments below a post or a comment, in the wanted order."""
        flat = _choice(params, "filter", "toplevel", "stream") == "stream"
        turned = _choice(params, "order", "chronological", "reverse_chronological")
        found = [one for one in self.world.comments.values() if _is_below(one, thing, flat=flat)]
        found.sort(key=_age, reverse=turned == "reverse_chronological")
        return [self.comment(one) for one in found]

    def conversations(self, params: Mapping[str, str]) -> list[Shown]:
        """Show the conversations, the most lively first."""
        if params.get("platform", "messenger") != "messenger":
            return []
        wanted = params.get("user_id")
        found = [
            one
            for one in self.world.conversations.values()
            if one.notes and wanted in {None, one.person.id}
        ]
        found.sort(key=lambda one: one.updated, reverse=True)
        return [self.conversation(one) for one in found]

    def notes(self, conversation: Conversation) -> list[Shown]:
        """Show the messages of a conversation, newest first."""
        return [self.note(conversation, one) for one in reversed(conversation.notes)]


_List = Callable[[Reader, Any, Mapping[str, str]], list[Shown]]
_EDGES: Mapping[tuple[str, str], _List] = {
    ("Page", "feed"): lambda reader, _, __: reader.posts(tagged=False),
    ("Page", "tagged"): lambda reader, _, __: reader.posts(tagged=True),
    ("Page", "conversations"): lambda reader, _, params: reader.conversations(params),
    ("Page", "ratings"): lambda reader, _, __: [
        reader.review(one) for one in sorted(reader.world.reviews.values(), key=_age, reverse=True)
    ],
    ("Page", "blocked"): lambda reader, _, __: [
        reader.person(one) for one in reader.world.blocked.values()
    ],
    ("Page", "subscribed_apps"): lambda reader, _, __: [
        Shown(kind="Application", fields=one) for one in reader.subscribed
    ],
    ("PagePost", "comments"): lambda reader, thing, params: reader.comments_below(thing, params),
    ("PagePost", "likes"): lambda reader, thing, _: _likes(reader, thing),
    ("PagePost", "attachments"): lambda _, thing, __: _story(thing),
    ("Comment", "comments"): lambda reader, thing, params: reader.comments_below(thing, params),
    ("Comment", "likes"): lambda reader, thing, _: _likes(reader, thing),
    ("UnifiedThread", "messages"): lambda reader, thing, _: reader.notes(thing),
    ("UnifiedMessage", "attachments"): lambda _, thing, __: _files(thing),
    ("UnifiedMessage", "shares"): lambda _, __, ___: [],
}


def _age(thing: Post | Comment | Review) -> tuple[datetime, str]:
    return thing.created, thing.id


def _is_below(comment: Comment, thing: Post | Comment, *, flat: bool) -> bool:
    if isinstance(thing, Comment):
        return comment.parent == thing.id
    return comment.post == thing.id and (flat or comment.parent is None)


def _likes(reader: Reader, thing: Post | Comment) -> list[Shown]:
    people = {**reader.world.people, reader.world.page.id: reader.world.page}
    return [reader.person(people[one]) for one in sorted(thing.likes)]


def _story(post: Post) -> list[Shown]:
    picture = _picture(post.photo, post.id)
    if picture is None:
        return []
    return [Shown(kind="StoryAttachment", fields={**picture, "media_type": "photo"})]


def _picture(photo: str | None, owner: str) -> dict[str, Any] | None:
    if photo is None:
        return None
    link = f"https://www.facebook.com/photo.php?fbid={owner}"
    image = {"height": 1, "width": 1, "src": photo}
    return {"type": "photo", "url": link, "media": {"image": image}}


def _files(note: Note) -> list[Shown]:
    return [
        Shown(kind="Attachment", fields=_file(note, number, one))
        for number, one in enumerate(note.attachments)
    ]


def _file(note: Note, number: int, attachment: Mapping[str, Any]) -> dict[str, Any]:
    kind, url = attachment["type"], (attachment.get("payload") or {}).get("url")
    fields: dict[str, Any] = {"id": f"{note.id}:{number}", "name": str(url).rsplit("/", 1)[-1]}
    if kind in {"image", "video"}:
        mime = "image/jpeg" if kind == "image" else "video/mp4"
        return {**fields, "mime_type": mime, f"{kind}_data": {"url": url, "width": 1, "height": 1}}
    return {**fields, "file_url": url}


def _choice(params: Mapping[str, str], name: str, default: str, other: str) -> str:
    chosen = params.get(name, default)
    if chosen not in {default, other}:
        raise RefusedError(100, f"(#100) Param {name} must be one of {default}, {other}")
    return chosen


def _cursor(mark: str) -> str:
    return base64.urlsafe_b64encode(mark.encode()).decode()


def _start(everything: Sequence[Shown], after: str | None) -> int:
    if after is None:
        return 0
    for index, one in enumerate(everything):
        if _cursor(one.mark) == after:
            return index + 1
    raise RefusedError(100, "(#100) The cursor is no longer valid")
