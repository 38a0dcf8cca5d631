"""From Mastodon's HTML to what a person reads, and how long a text is by Mastodon's count."""

from __future__ import annotations

import re
from html.parser import HTMLParser

LONGEST = 500
"""What a post may have, on a server that left the default."""
LINK = 23
NAME_LONGEST = 30
ROOM = LONGEST - len("@ ") - NAME_LONGEST
"""What is left beside the mention that a reply begins with."""

BLOCKS = frozenset(
    {"p", "div", "ul", "ol", "blockquote", "pre", "h1", "h2", "h3", "h4", "h5", "h6"}
)
URL = re.compile(r"https?://[^\s<>\"]+", re.IGNORECASE)
MENTION = re.compile(r"(?<![\w/])@(\w(?:[\w.-]*\w)?)@[\w-]+(?:\.[\w-]+)*(?::\d+)?")


LEADING = re.compile(r"(?:@[\w.-]+(?:@[\w.:-]+)?\s+)*")


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.gap = ""
        self.links: list[tuple[str, int]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "br":
            self._add("\n")
        elif tag == "li":
            self._part("\n")
            self._add("- ")
        elif tag in BLOCKS:
            self._part("\n\n")
        elif tag == "a":
            known = dict(attrs)
            plain = {"mention", "hashtag"}.isdisjoint((known.get("class") or "").split())
            self.links.append((known.get("href") or "" if plain else "", len(self.parts)))

    def handle_endtag(self, tag: str) -> None:
        if tag in BLOCKS:
            self._part("\n\n")
        elif tag == "a" and self.links:
            href, since = self.links.pop()
            shown = "".join(self.parts[since:])
            if href and not URL.match(shown.strip()):
                self._add(f" ({href})")

    def handle_data(self, data: str) -> None:
        self._add(data)

    def _part(self, gap: str) -> None:
        if self.parts and len(gap) > len(self.gap):
            self.gap = gap

    def _add(self, text: str) -> None:
        self.parts.append(self.gap + text)
        self.gap = ""


def read(html: str) -> str:
    """Return what a person reads: paragraphs and line breaks kept, whole addresses of links."""
    reader = _Reader()
    try:
        reader.feed(html)
        reader.close()
    except AssertionError:  # a broken declaration, which no Mastodon server sends
        return html
    return "".join(reader.parts)


def count(text: str) -> int:
    """Count as Mastodon does: a link is 23, a mention of another server's account is its name.

    An emoji made of several characters counts as several here. The server takes it for one, so
    this is never too little.
    """
    return len(MENTION.sub(r"@\1", URL.sub("x" * LINK, text)))


def mentions(text: str, acct: str) -> bool:
    """Whether a text mentions an account by the name that its post has here."""
    return (
        re.search(rf"(?<![\w/])@{re.escape(acct)}(?![\w@.-]*\w)", text, re.IGNORECASE) is not None
    )
