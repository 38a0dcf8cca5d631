"""What the simulated Graph API shows: objects, lists, paging."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from attrs import define
from channelmix_meta.policy import PRIVATE_REPLY_WINDOW
from channelmix_meta.simulator_reading import Reader, RefusedError, Shown, files_of, stamp

from channelmix_facebook.simulator_world import Comment, Post, Review, World


@define(kw_only=True)
class PageReader(Reader[World]):
    """Reads a page's world at one moment."""

    def find(self, object_id: str) -> Shown:
        """Return an object by its id. Raises: `RefusedError` 100/33."""
        world = self.world
        if object_id == world.account.id:
            return Shown(kind="Page", fields=world.account.ref(), thing=world.account)
        if object_id in world.posts:
            return self.post(world.posts[object_id])
        if object_id in world.comments:
            return self.comment(world.comments[object_id])
        return self.find_in_inbox(object_id)

    def lists(self, shown: Shown, edge: str, params: Mapping[str, str]) -> list[Shown]:
        """Return everything in a list, in its order."""
        return _EDGES[shown.kind, edge](self, shown.thing, params)

    # objects

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
            "can_hide": comment.author.id != self.world.account.id,
            "can_reply_privately": self._private(comment),
            "like_count": len(comment.likes),
            "user_likes": self.world.account.id in comment.likes,
        }
        return Shown(kind="Comment", fields=fields, thing=comment)

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
        foreign = what.author.id != self.world.account.id
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


_List = Callable[[PageReader, Any, Mapping[str, str]], list[Shown]]
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
    ("UnifiedMessage", "attachments"): lambda _, thing, __: files_of(thing),
    ("UnifiedMessage", "shares"): lambda _, __, ___: [],
}


def _age(thing: Post | Comment | Review) -> tuple[datetime, str]:
    return thing.created, thing.id


def _is_below(comment: Comment, thing: Post | Comment, *, flat: bool) -> bool:
    if isinstance(thing, Comment):
        return comment.parent == thing.id
    return comment.post == thing.id and (flat or comment.parent is None)


def _likes(reader: PageReader, thing: Post | Comment) -> list[Shown]:
    people = {**reader.world.people, reader.world.account.id: reader.world.account}
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


def _choice(params: Mapping[str, str], name: str, default: str, other: str) -> str:
    chosen = params.get(name, default)
    if chosen not in {default, other}:
        raise RefusedError(100, f"(#100) Param {name} must be one of {default}, {other}")
    return chosen
