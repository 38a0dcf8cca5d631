"""What there is on the simulated blog, and how its feeds and WordPress show it."""

from __future__ import annotations

import hashlib
import html
import re
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any
from xml.sax.saxutils import escape

from attrs import define, field

ME = 7
"""The number of our user."""


@define(kw_only=True, eq=False)
class Post:
    """A post of the blog."""

    id: int
    slug: str
    title: str
    content: str
    """HTML."""
    published: datetime
    tags: tuple[str, ...] = ()
    closed: bool = False


@define(kw_only=True, eq=False)
class Comment:
    """A comment; `content` is HTML as it is stored."""

    id: int
    post: Post
    name: str
    content: str
    date: datetime
    email: str = ""
    author: int = 0
    parent: int = 0
    status: str = "approved"

    @property
    def text(self) -> str:
        """What a reader sees, but for nicer quotes."""
        return html.unescape(self.content)


@define(kw_only=True)
class World:
    """Everything there is."""

    root: str
    name: str
    posts: dict[int, Post] = field(factory=dict)
    comments: dict[int, Comment] = field(factory=dict)
    _number: int = 0

    def number(self) -> int:
        """Return a number that was not there before."""
        self._number += 1
        return self._number

    def link(self, post: Post) -> str:
        """Return the address of a post."""
        return f"{self.root}{post.slug}/"

    def public(self, post: Post | None = None) -> list[Comment]:
        """Return the comments that everybody sees, newest first."""
        found = [
            one
            for one in self.comments.values()
            if one.status == "approved" and post in {None, one.post}
        ]
        return sorted(found, key=lambda one: (one.date, one.id), reverse=True)

    # --- feeds ----------------------------------------------------------------------------

    def page(self) -> str:
        """Show the blog's first page, which names its feeds."""
        link = '<link rel="alternate" type="application/rss+xml" title="{}" href="{}" />'
        feeds = [("Feed", "feed/"), ("Comments Feed", "comments/feed/")]
        links = "\n".join(link.format(title, self.root + path) for title, path in feeds)
        return (
            f"<!DOCTYPE html>\n<html><head>{links}</head><body><h1>{self.name}</h1></body></html>"
        )

    def feed(self, *, most: int = 10) -> str:
        """Show the newest posts as WordPress's RSS does."""
        newest = sorted(self.posts.values(), key=lambda one: (one.published, one.id), reverse=True)
        return self._rss(self.name, "".join(self._item(one) for one in newest[:most]))

    def comments_feed(self, post: Post | None = None, *, most: int = 10) -> str:
        """Show the newest comments, on everything or on one post, as WordPress's RSS does."""
        title = f"Comments on: {post.title}" if post else f"Comments for {self.name}"
        newest = self.public(post)[:most]
        return self._rss(title, "".join(self._said(one, alone=post is not None) for one in newest))

    def _rss(self, title: str, items: str) -> str:
        spaces = {
            "content": "http://purl.org/rss/1.0/modules/content/",
            "wfw": "http://wellformedweb.org/CommentAPI/",
            "dc": "http://purl.org/dc/elements/1.1/",
            "slash": "http://purl.org/rss/1.0/modules/slash/",
        }
        named = " ".join(f'xmlns:{name}="{uri}"' for name, uri in spaces.items())
        head = f"<title>{escape(title)}</title><link>{self.root}</link><language>de</language>"
        return (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<rss version="2.0" {named}>\n'
            f"<channel>{head}\n{items}</channel></rss>\n"
        )

    def _item(self, post: Post) -> str:
        tags = "".join(f"<category><![CDATA[{one}]]></category>" for one in post.tags)
        link = self.link(post)
        return (
            f"<item><title>{escape(post.title)}</title><link>{link}</link>"
            f"<comments>{link}#respond</comments><dc:creator><![CDATA[Anna]]></dc:creator>"
            f"<pubDate>{format_datetime(post.published)}</pubDate>{tags}"
            f'<guid isPermaLink="false">{self.root}?p={post.id}</guid>'
            f"<description><![CDATA[{post.content[:300]}]]></description>"
            f"<content:encoded><![CDATA[{post.content}]]></content:encoded>"
            f"<wfw:commentRss>{link}feed/</wfw:commentRss></item>\n"
        )

    def _said(self, comment: Comment, *, alone: bool) -> str:
        title = "By: {}" if alone else "Comment on {} by {}"
        words = [comment.name] if alone else [comment.post.title, comment.name]
        link = f"{self.link(comment.post)}#comment-{comment.id}"
        return (
            f"<item><title>{escape(title.format(*words))}</title><link>{link}</link>"
            f"<dc:creator><![CDATA[{comment.name}]]></dc:creator>"
            f"<pubDate>{format_datetime(comment.date)}</pubDate>"
            f'<guid isPermaLink="false">{link}</guid>'
            f"<description><![CDATA[{html.unescape(comment.content)[:200]}]]></description>"
            f"<content:encoded><![CDATA[{rendered(comment.content)}]]></content:encoded></item>\n"
        )

    # --- WordPress ------------------------------------------------------------------------

    def show(self, comment: Comment, *, edit: bool, embed: bool) -> dict[str, Any]:
        """Show a comment as the handbook's schema has it."""
        hashed = hashlib.sha256(comment.email.encode()).hexdigest() if comment.email else ""
        avatar = f"https://secure.gravatar.com/avatar/{hashed}?s={{}}&d=mm&r=g"
        content = {"rendered": rendered(comment.content)}
        link = self.link(comment.post)
        shown: dict[str, Any] = {
            "id": comment.id,
            "post": comment.post.id,
            "parent": comment.parent,
            "author": comment.author,
            "author_name": comment.name,
            "author_url": "",
            "date": (comment.date + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S"),
            "date_gmt": comment.date.strftime("%Y-%m-%dT%H:%M:%S"),
            "content": content,
            "link": f"{link}#comment-{comment.id}",
            "status": comment.status,
            "type": "comment",
            "author_avatar_urls": {size: avatar.format(size) for size in ("24", "48", "96")},
            "meta": [],
        }
        if edit:
            content["raw"] = comment.content
            shown["author_email"] = comment.email
        if embed:
            above = {"id": comment.post.id, "type": "post", "link": link}
            shown["_embedded"] = {
                "up": [{**above, "title": {"rendered": html.escape(comment.post.title)}}]
            }
        return shown


def rendered(content: str) -> str:
    """Show a stored comment as WordPress does: paragraphs, nicer quotes and dots."""
    content = re.sub('"([^"]*)"', r"&#8220;\1&#8221;", content)
    content = content.replace("'", "&#8217;").replace("...", "&#8230;")
    return "".join(
        "<p>" + part.replace("\n", "<br />\n") + "</p>\n" for part in content.split("\n\n")
    )
