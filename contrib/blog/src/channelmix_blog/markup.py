"""What is in HTML that a blog wrote: its text, its first picture, the feeds that it names."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

MOST = 200_000
"""Characters that are read: three times what WordPress lets a comment have."""
_BLOCK = re.compile(
    "address|article|aside|blockquote|d[dlt]|div|figcaption|figure|footer|form|h[1-6]|header|hr|li"
    "|main|nav|ol|p|pre|section|table|tr|ul"
)
_PARAGRAPH = re.compile("p|blockquote|[ou]l|h[1-6]")
_UNSHOWN = frozenset({"script", "style", "template", "noscript", "iframe"})
_FEEDS = frozenset({"application/rss+xml", "application/atom+xml"})
_SPACE = re.compile(r"[ \t\r\n\f]+")


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self.picture: str | None = None
        self.feeds: list[str] = []
        self._unshown: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if tag in _UNSHOWN:
            self._unshown = self._unshown or tag
        elif tag == "img":
            self._image(said)
        elif tag == "link" and "alternate" in said.get("rel", "").lower().split():
            if said.get("type", "").lower() in _FEEDS and said.get("href"):
                self.feeds.append(said["href"])
        elif tag == "br":
            self.pieces.append("\n")
        else:
            self._border(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag == self._unshown:
            self._unshown = None
        else:
            self._border(tag)

    def handle_data(self, data: str) -> None:
        if self._unshown is None and not (self._at_border and data.isspace()):
            self.pieces.append(_SPACE.sub(" ", data))

    @property
    def _at_border(self) -> bool:
        return bool(self.pieces) and self.pieces[-1].endswith("\n")

    def _border(self, tag: str) -> None:
        if _PARAGRAPH.fullmatch(tag):
            self.pieces.append("\n\n")
        elif _BLOCK.fullmatch(tag) and not self._at_border:
            self.pieces.append("\n")

    def _image(self, said: dict[str, str]) -> None:
        if {"emoji", "wp-smiley"} & set(said.get("class", "").split()):
            self.pieces.append(said.get("alt", ""))
        else:
            self.picture = self.picture or said.get("src")


def _read(html: str) -> _Page:
    page = _Page()
    page.feed(html[:MOST])
    page.close()
    return page


def plain(html: str) -> str:
    """Return the text that people see, a line for each paragraph; what is no HTML stays."""
    if "<" not in html and "&" not in html:
        return html
    text = re.sub(r" +", " ", "".join(_read(html).pieces))
    return re.sub(r"\n{3,}", "\n\n", re.sub(r" ?\n ?", "\n", text)).strip()


def picture(html: str, base: str) -> str | None:
    """Return the address of the first picture."""
    return web(_read(html).picture, base) if "<" in html else None


def feeds(html: str, base: str) -> list[str]:
    """Return the feeds that a page names, by `<link rel="alternate">`, in its order."""
    return [found for one in _read(html).feeds if (found := web(one, base))]


def web(address: str | None, base: str = "") -> str | None:
    """Return a whole address of the web, None if it is none."""
    if not address:
        return None
    try:
        whole = urljoin(base, address.strip())
        parts = urlsplit(whole)
    except ValueError:
        return None
    return whole if parts.scheme in {"http", "https"} and parts.netloc else None
