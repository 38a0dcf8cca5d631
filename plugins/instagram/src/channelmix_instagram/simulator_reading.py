"""What the simulated account shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from attrs import define
from channelmix_meta.simulator_reading import Reader, Shown, files_of, missing, stamp
from channelmix_meta.simulator_world import Person

from channelmix_instagram.simulator_world import Comment, Media, World, handle, ref


@define(kw_only=True)
class AccountReader(Reader[World]):
    """Reads an account's world at one moment."""

    accounts: Sequence[Mapping[str, Any]] = ()
    """The pages of the person who logs in."""

    def ref(self, person: Person) -> dict[str, str]:
        """Return a person as Instagram names people."""
        return ref(person)

    def find(self, object_id: str) -> Shown:
        """Return an object by its id. Raises: `RefusedError` 100/33."""
        world = self.world
        if object_id in {"me", world.account.id}:
            fields = {**ref(world.account), "name": world.account.name}
            kind = "Me" if object_id == "me" else "IGUser"
            return Shown(kind=kind, fields={**fields, "user_id": world.account.id})
        if object_id in world.posts and world.posts[object_id].author == world.account:
            return self.post(world.posts[object_id])
        if object_id in world.comments and self._ours(world.comments[object_id]):
            return self.comment(world.comments[object_id])
        return self.find_in_inbox(object_id)

    def mentioned(self, name: str, wanted: str) -> dict[str, Any]:
        """Show a caption or a comment elsewhere. Raises: `RefusedError` 100/33."""
        if name == "mentioned_media" and wanted in self.world.posts:
            return dict(self.post(self.world.posts[wanted]).fields)
        if name == "mentioned_comment" and wanted in self.world.comments:
            return dict(self.comment(self.world.comments[wanted]).fields)
        raise missing(wanted)

    def _ours(self, comment: Comment) -> bool:
        """Say whether a comment is below one of the account's own media."""
        media = self.world.posts.get(comment.post)
        return media is not None and media.author == self.world.account

    def lists(self, shown: Shown, edge: str, params: Mapping[str, str]) -> list[Shown]:
        """Return everything in a list, in its order."""
        return _EDGES[shown.kind, edge](self, shown.thing, params)

    def post(self, media: Media) -> Shown:
        """Show a picture."""
        own, film = media.author == self.world.account, media.photo.endswith("mp4")
        fields = {
            "id": media.id,
            "caption": media.text,
            "media_type": "VIDEO" if film else "IMAGE",
            "media_product_type": "LIVE" if media.live else "FEED",
            "media_url": media.photo,
            "thumbnail_url": media.photo.replace(".mp4", ".jpg") if film else None,
            "permalink": permalink(media),
            "timestamp": stamp(media.created),
            "username": handle(media.author),
            "owner": {"id": media.author.id} if own else None,
            "comments_count": len(self.below(media)),
        }
        return Shown(kind="IGMedia", fields=fields, thing=media)

    def comment(self, comment: Comment) -> Shown:
        """Show a comment. Who wrote elsewhere has no id here."""
        media = self.world.posts.get(comment.post)
        place = {"id": comment.post}
        if media is not None:
            place |= {"permalink": permalink(media), "caption": media.text or ""}
        fields = {
            "id": comment.id,
            "text": comment.text,
            "username": handle(comment.author),
            "from": ref(comment.author) if self._ours(comment) else None,
            "timestamp": stamp(comment.created),
            "hidden": comment.hidden,
            "parent_id": comment.parent,
            "media": place,
        }
        return Shown(kind="IGComment", fields=fields, thing=comment)

    def below(self, thing: Media | Comment) -> list[Shown]:
        """Show the comments below a picture, newest first, or the answers to a comment."""
        top = isinstance(thing, Media)
        found = [
            one
            for one in self.world.comments.values()
            if (one.post == thing.id and one.parent is None if top else one.parent == thing.id)
        ]
        return [self.comment(one) for one in sorted(found, key=_age, reverse=top)]


def permalink(media: Media) -> str:
    """Return the address of a picture."""
    return f"https://www.instagram.com/p/{media.id[-11:]}/"


def _age(thing: Media | Comment) -> tuple[datetime, str]:
    return thing.created, thing.id


def _posts(reader: AccountReader, _: Any, __: Mapping[str, str]) -> list[Shown]:
    world = reader.world
    own = [one for one in world.posts.values() if one.author == world.account and not one.live]
    return [reader.post(one) for one in sorted(own, key=_age, reverse=True)]


_List = Callable[[AccountReader, Any, Mapping[str, str]], list[Shown]]
_EDGES: Mapping[tuple[str, str], _List] = {
    ("IGUser", "media"): _posts,
    ("Me", "conversations"): lambda reader, _, params: reader.conversations(params),
    ("Me", "subscribed_apps"): lambda reader, _, __: [
        Shown(kind="Application", fields=one) for one in reader.subscribed
    ],
    ("Me", "accounts"): lambda reader, _, __: [
        Shown(kind="Account", fields=one) for one in reader.accounts
    ],
    ("IGMedia", "comments"): lambda reader, thing, _: reader.below(thing),
    ("IGComment", "replies"): lambda reader, thing, _: reader.below(thing),
    ("UnifiedThread", "messages"): lambda reader, thing, _: reader.notes(thing),
    ("UnifiedMessage", "attachments"): lambda _, thing, __: files_of(thing),
    ("UnifiedMessage", "shares"): lambda _, __, ___: [],
}
